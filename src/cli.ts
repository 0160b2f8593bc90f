import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Flags } from './config/flags.js';
import type { StdioOptions } from './config/stdioFlags.js';

/** Exit codes: 0 fine, 1 failed at run time, 2 wrong usage or configuration. */
const FAILED = 1;
const WRONG = 2;

const collect = (value: string, before: string[] = []) => [...before, value];

const MOST_WORKERS = 256;

function workerCount(value: string): number {
  if (value === 'auto') return availableParallelism();
  const count = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > MOST_WORKERS)
    throw new InvalidArgumentError(`Say a number from 1 to ${MOST_WORKERS}, or auto.`);
  return count;
}

/** Options that say which files the configuration comes from. */
function withFileOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      "configuration: JSON, JSONC or YAML (default: ./mcp-proxy-config.json, then the user's folder)",
    )
    .option('--overlay <file>', 'deep-merged over the configuration; repeatable, in order', collect)
    .option('--env-file <file>', 'values for ${VAR}');
}

/** Options that say where the configuration comes from. */
function withConfigOptions(command: Command): Command {
  return withFileOptions(command)
    .option('--destination <name>', 'force the destination')
    .option('--url <url>', 'force the target URL')
    .addOption(new Option('--btp <name>').hideHelp())
    .addOption(new Option('--target-url <url>').hideHelp())
    .option('--header <"Name: value">', 'default header; repeatable; one that the caller sends wins', collect)
    .option('--allow-http', 'let credentials travel over plain http towards hosts that are not this machine');
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
    .option('--log-level <level>', 'error, warn, info or debug')
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .option('--debug', 'the same as --log-level debug')
    .option('--silent', 'the same as --log-level error')
    .option('--persist', 'keep tokens on disk')
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

/** Options of mcp-remote that `stdio` takes and has no use for yet; most belong to its login. */
const IDLE_OPTIONS = [
  '--host <address>',
  '--auth-timeout <seconds>',
  '--resource <url>',
  '--disable-resource-parameter',
  '--static-oauth-client-info <json>',
  '--static-oauth-client-metadata <json>',
  '--authorize-param <pair>',
  '--callback-path <path>',
  '--client-metadata-url <url>',
  '--client-credentials',
  '--token-endpoint <url>',
  '--device-code',
  '--use-id-token',
  '--enable-proxy',
  '--keep-alive',
  '--ping-interval <seconds>',
  '--ipv4',
  '--disable-cookies',
  '--protocol <name>',
  '--persist',
  '--browser <name>',
  '--browser-auth-port <number>',
];

/** Options of `stdio`: those of mcp-remote under their own names, and ours. */
function withStdioOptions(command: Command): Command {
  const transports = ['http-first', 'http-only', 'sse-first', 'sse-only'];
  withConfigOptions(command)
    .argument('[url]', 'the MCP server')
    .argument('[callback-port]', 'for interactive logins')
    .addOption(new Option('--transport <name>', 'how the server is spoken to').choices(transports))
    .option('--header-file <file>', 'default headers, one "Name: value" per line')
    .option('--ignore-tool <glob>', 'hide tools; repeatable', collect)
    .option('--connect-timeout <seconds>', 'until a connection must be there')
    .option('--headers-timeout <seconds>', 'until an answer must begin')
    .option('--body-timeout <seconds>', 'how long an answer may pause, 0 for ever')
    .option('--log-level <level>', 'error, warn, info or debug (default: warn)')
    .option('--log-format <format>', 'json or pretty (default: pretty on a terminal)')
    .option('--debug', 'the same as --log-level debug')
    .option('--silent', 'the same as --log-level error');
  for (const flags of IDLE_OPTIONS) command.addOption(new Option(flags).hideHelp());
  return command;
}

/** `stdio [url] [callback-port]`. */
async function stdio(url: string | undefined, callbackPort: string | undefined, command: Command): Promise<void> {
  const known = new Map(
    IDLE_OPTIONS.map((flags) => [new Option(flags).attributeName(), flags.split(' ')[0] as string]),
  );
  const said = Object.entries(command.opts<Options & Omit<StdioOptions, 'idle'>>());
  const used = Object.fromEntries(said.filter(([name]) => !known.has(name)));
  const { transport, headerFile, ignoreTool, ...flags } = used as Options & Omit<StdioOptions, 'idle'>;
  if (url !== undefined && flags.url !== undefined) command.error('error: the URL is said twice');
  const idle = said.flatMap(([name]) => known.get(name) ?? []);
  const options = { transport, headerFile, ignoreTool, callbackPort, idle } as StdioOptions;
  const { runStdio } = await import('./commands.js');
  await runStdio(toFlags({ ...flags, ...(url === undefined ? {} : { url }) }, command), options, version());
}

const OF_STDIO = 'is for mcp-drawbridge stdio';

/** Options of mcp-abap-adt-proxy and mcp-remote that must not look as if `serve` did something by them. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['mcp', '--mcp was removed: use --destination'],
  ['mcpUrl', '--mcp-url was removed: use --url'],
  ['tui', '--tui was removed: see /health/ready'],
  ['ignoreTool', `--ignore-tool ${OF_STDIO}`],
  ['resource', `--resource ${OF_STDIO}`],
  ['staticOauthClientInfo', `--static-oauth-client-info ${OF_STDIO}`],
  ['staticOauthClientMetadata', `--static-oauth-client-metadata ${OF_STDIO}`],
]);

type Options = Flags & {
  btp?: string;
  targetUrl?: string;
  httpHost?: string;
  httpPort?: string;
  httpAllowedOrigins?: string;
  httpAllowedHosts?: string;
};

/** Aliases under their one name. */
function toFlags(options: Options, command: Command): Flags {
  const { btp, targetUrl, httpHost, httpPort, httpAllowedOrigins, httpAllowedHosts, ...flags } = options;
  const refused = Object.keys(options).find((name) => REFUSED.has(name));
  if (refused !== undefined) command.error(`error: ${REFUSED.get(refused)}`);
  const aliases = {
    destination: flags.destination ?? btp,
    url: flags.url ?? targetUrl,
    host: flags.host ?? httpHost,
    port: flags.port ?? httpPort,
    allowedOrigins: flags.allowedOrigins ?? httpAllowedOrigins,
    allowedHosts: flags.allowedHosts ?? httpAllowedHosts,
  };
  return { ...flags, ...Object.fromEntries(Object.entries(aliases).filter(([, value]) => value !== undefined)) };
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
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

/** What of a command's options says where the configuration comes from. */
function configOptions(command: Command): Options {
  const { config, overlay, envFile } = command.opts<Options>();
  return Object.fromEntries(Object.entries({ config, overlay, envFile }).filter(([, value]) => value !== undefined));
}

function createProgram(): Command {
  const program = new Command('mcp-drawbridge')
    .description('Any MCP client, any MCP server, the right credential: an authenticating MCP reverse proxy')
    .version(version(), '-v, --version')
    .enablePositionalOptions()
    .exitOverride();
  withServeOptions(program.command('serve', { isDefault: true }))
    .description('the HTTP proxy (default command)')
    .allowExcessArguments(false)
    .exitOverride()
    .action(async (options: Options, command: Command) => {
      const { runServe } = await import('./commands.js');
      await runServe(toFlags(options, command), version());
    });
  withStdioOptions(program.command('stdio'))
    .description('MCP on stdin and stdout, the server anywhere')
    .allowExcessArguments(false)
    .exitOverride()
    .action((url: string | undefined, callbackPort: string | undefined, _: Options, command: Command) =>
      stdio(url, callbackPort, command),
    );
  withKeys(program);
  withConfigOptions(program.command('check'))
    .description('validate a configuration: every fault at once')
    .allowExcessArguments(false)
    .exitOverride()
    .action(async (options: Options, command: Command) => {
      const { runCheck } = await import('./commands.js');
      await runCheck(toFlags(options, command));
    });
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
