import fs from 'node:fs';
import { ConfigError, errorCode } from '../core/errors.js';
import { isLoopbackHost } from '../wire/loopback.js';
import type { Environment } from './environment.js';
import { type Flags, flagPlace } from './flags.js';
import { type LoginOptions, oauthFlags } from './loginFlags.js';
import { mcpRemoteHash, mcpRemotePort } from './mcpRemoteStore.js';
import { faultAt } from './tree.js';

/** What only `stdio` takes: mcp-remote's own options, by the names that commander gives them. */
export interface StdioOptions extends LoginOptions {
  readonly transport?: string;
  readonly headerFile?: string;
  readonly ignoreTool?: readonly string[];
  /** Options that this version takes and doesn't use, as they were written. */
  readonly idle: readonly string[];
}

/** What the command line of `stdio` comes to, and what to tell of it. */
export interface StdioFlags {
  readonly flags: Flags;
  readonly notes: readonly string[];
}

/** @throws ConfigError for what can't be meant */
export function stdioFlags(flags: Flags, options: StdioOptions, env: Environment): StdioFlags {
  const { url, allowHttp } = flags;
  if (url !== undefined && !allowHttp) assertProtected(url);
  const written = [...(flags.header ?? []), ...headersOf(options.headerFile)];
  const missing = new Set<string>();
  const header = written.map((line) => withoutMissing(line, env, missing));
  const { transport = 'http-first' } = options;
  const quiet = flags.logLevel === undefined && !flags.debug && !flags.silent;
  return {
    flags: {
      ...flags,
      stdio: true,
      header,
      ...(transport === 'http-only' ? {} : { urlTransport: transport }),
      ...(quiet ? { logLevel: 'warn' } : {}),
      ...(url === undefined ? {} : ownLogin(url, options, written, env)),
      ...callback(flags, options),
    },
    notes: [
      ...notesOf(options.idle),
      ...[...missing].map((name) => `the variable ${name} is not set: nothing stands in its place`),
    ],
  };
}

/** Where the browser comes back to, and how long a call waits for it. */
export function callback(flags: Flags, { callbackPort, host, callbackPath, authTimeout }: LoginOptions): Flags {
  const said = {
    browserAuthPort: flags.browserAuthPort ?? callbackPort,
    callbackHost: host,
    callbackPath,
    authTimeout,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** How to log in at a server of which only the URL is known. Who knows a client by heart knows its redirect URI, too. */
function ownLogin(url: string, options: LoginOptions, headers: readonly string[], env: Environment): Flags {
  const oauth = oauthFlags(options, env);
  const mcpRemote = mcpRemoteHash(url, oauth, headers);
  const fixed = oauth.clientId !== undefined || oauth.clientMetadataUrl !== undefined;
  return { oauth, mcpRemote, ...(fixed ? { browserAuthPort: mcpRemotePort(mcpRemote) } : {}) };
}

/** As in mcp-remote: what a client says to a server is nobody else's, whether a credential is in it or not. */
function assertProtected(url: string): void {
  if (!URL.canParse(url)) return;
  const { protocol, hostname, origin } = new URL(url);
  if (protocol !== 'http:' || isLoopbackHost(hostname)) return;
  const hint = 'Use https, or say --allow-http where everybody on that network may see it.';
  throw new ConfigError([
    faultAt(flagPlace('url', ''), `all that is said to ${origin} would travel unencrypted`, hint),
  ]);
}

/** `Name: value` on each line; `#` begins a comment line. */
function headersOf(file: string | undefined): string[] {
  if (file === undefined) return [];
  try {
    return fs
      .readFileSync(file, 'utf8')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  } catch (cause) {
    throw new ConfigError([faultAt(flagPlace('headerFile', ''), `${file} can't be read (${errorCode(cause)})`)]);
  }
}

/** A variable that isn't there is empty, as in mcp-remote; the rest is resolved where all references are. */
function withoutMissing(line: string, env: Environment, missing: Set<string>): string {
  return line.replace(/\$\{(\w+)\}/g, (reference, name: string) => {
    if (env[name] !== undefined) return reference;
    missing.add(name);
    return '';
  });
}

function notesOf(idle: readonly string[]): string[] {
  return idle.length === 0 ? [] : [`${idle.join(', ')}: no effect`];
}
