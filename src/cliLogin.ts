import type { Command } from 'commander';
import {
  configOptions,
  type Options,
  splitLogin,
  toFlags,
  version,
  withFileOptions,
  withLoginOptions,
} from './cliOptions.js';
import type { LoginAction } from './loginCommands.js';

const TARGET = '<destination|url>';

/** `login`, `logout`, `status` and `token`: the logins that this machine keeps. */
export function withLogins(program: Command): void {
  const action = (name: LoginAction, usage: string, description: string) => {
    const command = withFileOptions(program.command(usage))
      .description(description)
      .allowExcessArguments(false)
      .exitOverride()
      .action(async (...given: unknown[]) => run(name, given.at(-1) as Command));
    if (name !== 'status') withTarget(command);
    return command;
  };
  action('login', `login ${TARGET}`, 'log in at a server, in a browser, and keep the token');
  action('logout', `logout ${TARGET}`, 'revoke the token and forget it');
  action('status', 'status', 'the logins that this machine keeps, never a token').option('--json', 'as JSON');
  action('token', `token ${TARGET}`, 'print an access token, renewed where that is needed').option(
    '--yes',
    'print it though nobody looks at it',
  );
}

/** `doctor`: the whole way to a server, step by step. */
export function withDoctor(program: Command): void {
  const command = withFileOptions(program.command('doctor [destination|url]'))
    .description(
      'walk to one server, or all of them: name, proxy, TLS, login, token, era, tools; say what fails and what mends it',
    )
    .allowExcessArguments(false)
    .exitOverride()
    .option('--json', 'as JSON')
    .action(async (...given: unknown[]) => {
      const said = given.at(-1) as Command;
      const { login, rest } = splitLogin(said.opts<Record<string, unknown>>());
      const { json, allowHttp } = rest as Options & { json?: boolean };
      const flags = { ...toFlags(configOptions(said), said), ...defined({ allowHttp }) };
      const { runDoctorCommand } = await import('./loginCommandLine.js');
      const [target] = said.args;
      await runDoctorCommand({ json: json === true, login, ...defined({ target }) }, flags, version());
    });
  withTarget(command);
}

function withTarget(command: Command): void {
  command.option('--allow-http', 'let credentials travel over plain http towards hosts that are not this machine');
  withLoginOptions(command);
}

async function run(action: LoginAction, command: Command): Promise<void> {
  const { login, rest } = splitLogin(command.opts<Record<string, unknown>>());
  const { json, yes, allowHttp, browser, browserAuthPort, keychain } = rest as Options & {
    json?: boolean;
    yes?: boolean;
  };
  const said = { allowHttp, browser, browserAuthPort, keychain };
  const flags = { ...toFlags(configOptions(command), command), ...defined(said) };
  const { runLoginCommand } = await import('./loginCommandLine.js');
  const [target] = command.args;
  const options = { json: json === true, yes: yes === true, login, ...(target === undefined ? {} : { target }) };
  await runLoginCommand(action, options, flags, version());
}

function defined<Value extends object>(options: Value): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
