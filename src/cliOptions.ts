import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Flags } from './config/flags.js';
import type { LoginOptions } from './config/loginFlags.js';

export const collect = (value: string, before: string[] = []) => [...before, value];

/** Options that say which files the configuration comes from. */
export function withFileOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      "configuration: JSON, JSONC or YAML (default: ./mcp-proxy-config.json, then the user's folder)",
    )
    .option('--overlay <file>', 'deep-merged over the configuration; repeatable, in order', collect)
    .option('--env-file <file>', 'values for ${VAR}');
}

/** Options that say where the configuration comes from. */
export function withConfigOptions(command: Command): Command {
  return withFileOptions(command)
    .option('--destination <name>', 'force the destination')
    .option('--url <url>', 'force the target URL')
    .addOption(new Option('--btp <name>').hideHelp())
    .addOption(new Option('--target-url <url>').hideHelp())
    .option('--header <"Name: value">', 'default header; repeatable; one that the caller sends wins', collect)
    .option('--allow-http', 'let credentials travel over plain http towards hosts that are not this machine');
}

/** Options of mcp-remote about its login, by their own names. */
const LOGIN_OPTIONS = [
  '--host <address>',
  '--callback-path <path>',
  '--auth-timeout <seconds>',
  '--resource <url>',
  '--disable-resource-parameter',
  '--static-oauth-client-info <json>',
  '--static-oauth-client-metadata <json>',
  '--client-metadata-url <url>',
];

/** How a person logs in, where the server asks for it. */
export function withLoginOptions(command: Command): void {
  command
    .option('--browser <name>', 'system, or none: the address is only told')
    .option('--browser-auth-port <number>', 'where a browser comes back to after a login')
    .option('--keychain', "move the key of the kept tokens to the system's keychain")
    .addOption(new Option('--authorize-param <pair>').argParser(collect).hideHelp());
  for (const flags of LOGIN_OPTIONS) command.addOption(new Option(flags).hideHelp());
}

/** What was said about the login, and the rest. */
export function splitLogin(said: Readonly<Record<string, unknown>>): { login: LoginOptions; rest: Options } {
  const names = new Set([...LOGIN_OPTIONS.map((flags) => new Option(flags).attributeName()), 'authorizeParam']);
  const part = (ofLogin: boolean) =>
    Object.fromEntries(Object.entries(said).filter(([name]) => names.has(name) === ofLogin));
  return { login: part(true), rest: part(false) };
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

export type Options = Flags & {
  btp?: string;
  targetUrl?: string;
  httpHost?: string;
  httpPort?: string;
  httpAllowedOrigins?: string;
  httpAllowedHosts?: string;
};

/** Aliases under their one name. */
export function toFlags(options: Options, command: Command): Flags {
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

export function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

/** What of a command's options says where the configuration comes from. */
export function configOptions(command: Command): Options {
  const { config, overlay, envFile } = command.opts<Options>();
  return Object.fromEntries(Object.entries({ config, overlay, envFile }).filter(([, value]) => value !== undefined));
}
