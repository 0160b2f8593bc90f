import v8 from 'node:v8';
import { type Command, Option } from 'commander';
import {
  collect,
  type Options,
  splitLogin,
  toFlags,
  version,
  withConfigOptions,
  withLoginOptions,
} from './cliOptions.js';
import type { StdioOptions } from './config/stdioFlags.js';

/** Options of mcp-remote that `stdio` takes and has no use for. */
const IDLE_OPTIONS = [
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
];

/** Options of `stdio`: those of mcp-remote under their own names, and ours. */
function withStdioOptions(command: Command): Command {
  const transports = ['http-first', 'http-only', 'sse-first', 'sse-only'];
  withConfigOptions(command)
    .argument('[url]', 'the MCP server')
    .argument('[callback-port]', 'where a browser comes back to after a login')
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
  withLoginOptions(command);
  command.option('--persist', 'keep tokens on disk (the default)').option('--no-persist', 'forget them at the end');
  for (const flags of IDLE_OPTIONS) command.addOption(new Option(flags).hideHelp());
  return command;
}

/** What only `stdio` says besides. */
type Said = Options & Pick<StdioOptions, 'transport' | 'headerFile' | 'ignoreTool'>;

/**
 * What a message takes is over with its answer, so that room for the young which grows under load is only held, not used.
 * Node 20 grew from 2 MiB to 32 and never gave them back. An engine that doesn't know the flag says so on stderr, and goes on.
 */
const SMALL_NURSERY = '--semi-space-growth-factor=1';

/** `stdio [url] [callback-port]`. */
async function stdio(url: string | undefined, callbackPort: string | undefined, command: Command): Promise<void> {
  v8.setFlagsFromString(SMALL_NURSERY);
  const known = new Map(
    IDLE_OPTIONS.map((flags) => [new Option(flags).attributeName(), flags.split(' ')[0] as string]),
  );
  const said = Object.entries(command.opts<Record<string, unknown>>());
  const { login, rest } = splitLogin(Object.fromEntries(said.filter(([name]) => !known.has(name))));
  const { transport, headerFile, ignoreTool, ...flags } = rest as Said;
  if (url !== undefined && flags.url !== undefined) command.error('error: the URL is said twice');
  const idle = said.flatMap(([name]) => known.get(name) ?? []);
  const options = { ...login, transport, headerFile, ignoreTool, callbackPort, idle } as StdioOptions;
  const { runStdio } = await import('./commands.js');
  await runStdio(toFlags({ ...flags, ...(url === undefined ? {} : { url }) }, command), options, version());
}

/** `mcp-drawbridge stdio`. */
export function withStdio(program: Command): void {
  withStdioOptions(program.command('stdio'))
    .description('MCP on stdin and stdout, the server anywhere')
    .allowExcessArguments(false)
    .exitOverride()
    .action((url: string | undefined, callbackPort: string | undefined, _: Options, command: Command) =>
      stdio(url, callbackPort, command),
    );
}
