import { availableParallelism } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { withDoctor, withLogins } from './cliLogin.js';
import {
  collect,
  configOptions,
  type Options,
  toFlags,
  version,
  withConfigOptions,
  withFileOptions,
} from './cliOptions.js';
import { withStdio } from './cliStdio.js';

/** Exit codes: 0 fine, 1 failed at run time, 2 wrong usage or configuration; 3, of `serve`, when a stop cut something off. */
const FAILED = 1;
const WRONG = 2;

const MOST_WORKERS = 256;

function workerCount(value: string): number {
  if (value === 'auto') return availableParallelism();
  const count = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > MOST_WORKERS)
    throw new InvalidArgumentError(`Say a number from 1 to ${MOST_WORKERS}, or auto.`);
  return count;
}

/** Options of `serve`, and under their old names those of mcp-abap-adt-proxy. */
function withServeOptions(command: Command): Command {
  const hidden = (flags: string) => new Option(flags).hideHelp();
  return withConfigOptions(command)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for any free one (default: 3001)')
    .option('--transport <name>', 'streamable-http')
    .option('--insecure-no-auth', 'listen beyond loopback without knowing who calls')
    .option('--workers <number>', 'processes that serve: a number, or auto for one per core (default: 1)', workerCount)
    .option('--max-child-memory <MiB>', 'what the command behind -- may have, with all that it starts')
    .option('--pid-file <file>', 'holds the number of this process while it serves; refused while another one has it')
    .option('--log-level <level>', 'error, warn, info or debug')
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .option('--debug', 'the same as --log-level debug')
    .option('--silent', 'the same as --log-level error')
    .option('--persist', 'keep tokens on disk')
    .option('--keychain', "move the key of the kept tokens to the system's keychain")
    .option('--browser <name>', 'for interactive logins')
    .option('--browser-auth-port <number>', 'for interactive logins')
    .addOption(hidden('--http-host <address>'))
    .addOption(hidden('--http-port <number>'))
    .addOption(hidden('--http').implies({ transport: 'streamable-http' }))
    .addOption(hidden('--sse').implies({ transport: 'sse' }))
    .addOption(hidden('--stdio').implies({ transport: 'stdio' }))
    .addOption(hidden('--unsafe').implies({ persist: true }))
    .addOption(hidden('--sse-host <address>'))
    .addOption(hidden('--sse-port <number>'))
    .addOption(hidden('--http-json-response'))
    .addOption(hidden('--http-allowed-origins <list>'))
    .addOption(hidden('--http-allowed-hosts <list>'))
    .addOption(hidden('--http-enable-dns-protection'))
    .addOption(hidden('--mcp <name>'))
    .addOption(hidden('--mcp-url <url>'))
    .addOption(hidden('--tui'))
    .addOption(hidden('--ignore-tool <glob>'))
    .addOption(hidden('--resource <url>'))
    .addOption(hidden('--static-oauth-client-info <json>'))
    .addOption(hidden('--static-oauth-client-metadata <json>'));
}

/** `keys create|list|rotate|revoke`: the configuration says where keys are kept. */
function withKeys(program: Command): void {
  const keys = program.command('keys').description("API keys of this gateway's callers").exitOverride();
  const action = (name: 'create' | 'list' | 'rotate' | 'revoke', usage: string, description: string) =>
    withFileOptions(keys.command(usage))
      .description(description)
      .allowExcessArguments(false)
      .exitOverride()
      .action(async (...given: unknown[]) => {
        const command = given.at(-1) as Command;
        const { runKeysCommand } = await import('./commands.js');
        const [id] = command.args;
        const said = { ...command.opts(), ...(id === undefined ? {} : { id }) };
        await runKeysCommand(name, said, toFlags(configOptions(command), command));
      });
  action('create', 'create', 'make a key and show it, once')
    .requiredOption('--name <name>', 'whose it is')
    .option('--role <role>', 'a role of its holder; repeatable', collect)
    .option('--tenant <tenant>', 'the tenant of its holder')
    .option('--destination <glob>', 'a destination that it is confined to; repeatable', collect)
    .option('--expires <duration>', 'such as 90d');
  action('list', 'list', 'all keys, never their text').option('--json', 'as JSON');
  action('rotate', 'rotate <id>', 'a new key with the same rights; the old one serves on for a while').option(
    '--overlap <duration>',
    'for how long (default: 24h)',
  );
  action('revoke', 'revoke <id>', 'end a key now');
}

/** The words behind `--`; any others are a slip. */
function commandBehindDashes(words: readonly string[], command: Command): readonly string[] | undefined {
  const dashes = process.argv.indexOf('--');
  const behind = dashes === -1 ? [] : process.argv.slice(dashes + 1);
  const slip = words[words.length - behind.length - 1];
  if (slip !== undefined)
    command.error(`error: unexpected argument '${slip}': the command of a server stands behind --`);
  return dashes === -1 ? undefined : behind;
}

function createProgram(): Command {
  const program = new Command('mcp-drawbridge')
    .description('Any MCP client, any MCP server, the right credential: an authenticating MCP reverse proxy')
    .version(version(), '-v, --version')
    .enablePositionalOptions()
    .exitOverride();
  withServeOptions(program.command('serve', { isDefault: true }))
    .description('the HTTP proxy (default command); behind -- the command of a server to start')
    .usage('[options] [-- command args…]')
    .argument('[command...]')
    .exitOverride()
    .action(async (words: string[], options: Options, command: Command) => {
      const started = commandBehindDashes(words, command);
      const { runServe } = await import('./commands.js');
      await runServe({ ...toFlags(options, command), ...(started ? { command: started } : {}) }, version());
    });
  withStdio(program);
  withLogins(program);
  withDoctor(program);
  withKeys(program);
  withConfigOptions(program.command('check'))
    .description('validate a configuration: every fault at once')
    .option('--resolve-secrets', 'ask the secret managers too; without it, nobody is called')
    .allowExcessArguments(false)
    .exitOverride()
    .action(
      async ({ resolveSecrets = false, ...options }: Options & { resolveSecrets?: boolean }, command: Command) => {
        const { runCheck } = await import('./commands.js');
        await runCheck(toFlags(options, command), resolveSecrets);
      },
    );
  return program;
}

async function main(): Promise<void> {
  // What a bundled package uses of Node's past is ours to mend, not the users' to read; stderr is the log.
  process.noDeprecation = true;
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : WRONG;
      return;
    }
    const { isConfigFault, explain } = await import('./commands.js');
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = isConfigFault(error) ? WRONG : FAILED;
  }
}

await main();
