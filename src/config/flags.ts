import type { Fault } from '../core/errors.js';
import { emptyLayer, type Layer } from './layer.js';
import { type OAuthFlags, oauthTree } from './loginFlags.js';
import { commaList, levelIfOn, type Rename, rewrite, seconds } from './renames.js';
import { branch, faultAt, type Leaf, type Place } from './tree.js';

/** What the command line said, by the names that commander gives its options. */
export interface Flags {
  readonly config?: string;
  readonly overlay?: readonly string[];
  readonly envFile?: string;
  readonly destination?: string;
  readonly url?: string;
  /** A server to start: the program and its arguments. */
  readonly command?: readonly string[];
  /** MiB that it may have, with all that it starts. */
  readonly maxChildMemory?: string;
  /** `Name: value` or `name=value`; `${NAME}` in it is resolved. */
  readonly header?: readonly string[];
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: string | number;
  readonly transport?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly persist?: boolean;
  /** The key of the tokens on disk lies in the system's keychain. */
  readonly keychain?: boolean;
  readonly browser?: string;
  readonly browserAuthPort?: string | number;
  /** Of the redirect URI. */
  readonly callbackHost?: string;
  readonly callbackPath?: string;
  /** Seconds that a call waits for a person. */
  readonly authTimeout?: string;
  /** How to log in at the server of `url`. */
  readonly oauth?: OAuthFlags;
  /** The name that mcp-remote gives the server of `url`. */
  readonly mcpRemote?: string;
  /** Lets credentials travel over plain http towards other machines. */
  readonly allowHttp?: boolean;
  readonly debug?: boolean;
  readonly silent?: boolean;
  /** Separated by commas. */
  readonly allowedOrigins?: string;
  /** Separated by commas. */
  readonly allowedHosts?: string;
  readonly sseHost?: string;
  readonly ssePort?: string;
  readonly httpJsonResponse?: boolean;
  readonly httpEnableDnsProtection?: boolean;
  /** Lets it listen beyond loopback without knowing its callers. */
  readonly insecureNoAuth?: boolean;
  /** How many processes serve. */
  readonly workers?: number;
  /** Where the number of this process is written while it serves. */
  readonly pidFile?: string;
  /** The start of `stdio`: the working folder may be somebody else's, and a URL alone is a destination of its own. */
  readonly stdio?: boolean;
  /** How the server at `url` is spoken to, in mcp-remote's words; for `stdio`. */
  readonly urlTransport?: string;
  /** Seconds, as mcp-remote takes them. */
  readonly connectTimeout?: string;
  readonly headersTimeout?: string;
  /** 0: never. */
  readonly bodyTimeout?: string;
}

const LOG_LEVEL = ['telemetry', 'logLevel'];

/** Where each flag leads; where two lead to one place, the later wins. */
const FLAGS: readonly (Rename & {
  readonly flag: Exclude<
    keyof Flags,
    | 'config'
    | 'overlay'
    | 'header'
    | 'command'
    | 'allowHttp'
    | 'workers'
    | 'pidFile'
    | 'insecureNoAuth'
    | 'stdio'
    | 'oauth'
    | 'mcpRemote'
  >;
})[] = [
  { flag: 'host', to: ['server', 'host'] },
  { flag: 'port', to: ['server', 'port'] },
  { flag: 'allowedOrigins', to: ['server', 'allowedOrigins'], change: commaList },
  { flag: 'allowedHosts', to: ['server', 'allowedHosts'], change: commaList },
  { flag: 'silent', to: LOG_LEVEL, change: levelIfOn('error') },
  { flag: 'debug', to: LOG_LEVEL, change: levelIfOn('debug') },
  { flag: 'logLevel', to: LOG_LEVEL },
  { flag: 'logFormat', to: ['telemetry', 'logFormat'] },
  { flag: 'connectTimeout', to: ['resilience', 'connectMs'], change: seconds },
  { flag: 'headersTimeout', to: ['resilience', 'firstByteMs'], change: seconds },
  { flag: 'bodyTimeout', to: ['resilience', 'idleMs'], change: seconds },
  { flag: 'urlTransport', to: ['urlTransport'], launch: true },
  { flag: 'destination', to: ['destination'], launch: true },
  { flag: 'url', to: ['url'], launch: true },
  { flag: 'maxChildMemory', to: ['maxChildMemory'], launch: true },
  { flag: 'envFile', to: ['envFile'], launch: true },
  { flag: 'transport', to: ['transport'], launch: true },
  { flag: 'persist', to: ['persist'], launch: true },
  { flag: 'keychain', to: ['logins', 'keychain'] },
  { flag: 'browser', to: ['browser'], launch: true },
  { flag: 'browserAuthPort', to: ['browserAuthPort'], launch: true },
  { flag: 'callbackHost', to: ['callbackHost'], launch: true },
  { flag: 'callbackPath', to: ['callbackPath'], launch: true },
  { flag: 'authTimeout', to: ['authTimeout'], launch: true },
  { flag: 'sseHost', to: ['sseHost'], launch: true },
  { flag: 'ssePort', to: ['ssePort'], launch: true },
  { flag: 'httpJsonResponse', to: ['httpJsonResponse'], launch: true },
  { flag: 'httpEnableDnsProtection', to: ['httpEnableDnsProtection'], launch: true },
];

/** What the flags set; `--config` and `--overlay` are layers of their own. */
export function fromFlags(flags: Flags, cwd: string): Layer {
  const layer = FLAGS.reduce(
    (current, rename) => {
      const value = flags[rename.flag];
      return value === undefined ? current : rewrite(current, rename, { place: flagPlace(rename.flag, cwd), value });
    },
    emptyLayer(flagPlace('', cwd)),
  );
  const { oauth, header = [] } = flags;
  const known = oauth ? rewrite(layer, { to: ['oauth'], launch: true }, oauthTree(oauth, cwd)) : layer;
  const headed = withHeaders(known, header, flagPlace('header', cwd));
  return flags.command ? withCommand(headed, flags.command, { ...flagPlace('', cwd), path: '--' }) : headed;
}

/**
 * True where `stdio` is told a URL and no destination: then that server is all there is, and neither a configuration that
 * nobody named nor a service key is looked for.
 */
export function isOneUrl({ stdio, url, destination }: Flags): boolean {
  return stdio === true && url !== undefined && destination === undefined;
}

/** The place of a flag: `--log-level` for `logLevel`. */
export function flagPlace(flag: string, cwd: string): Place {
  const words = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return { file: 'flags', path: flag === '' ? '' : `--${words}`, baseDir: cwd };
}

/** What stands behind `--`. */
function withCommand(layer: Layer, words: readonly string[], place: Place): Layer {
  const items = words.map((value): Leaf => ({ place, value }));
  return rewrite(layer, { to: ['command'], launch: true }, { place, items });
}

function withHeaders(layer: Layer, lines: readonly string[], place: Place): Layer {
  const headers = new Map<string, Leaf>();
  const faults: Fault[] = [];
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    // The line itself isn't told: a secret may stand in it.
    if (name === undefined || value === undefined)
      faults.push(faultAt(place, 'is no header', 'Write "Name: value" or name=value.'));
    else headers.set(name.toLowerCase(), { place, value: value.trim() });
  }
  const written = headers.size > 0 ? rewrite(layer, { to: ['headers'], launch: true }, branch(place, headers)) : layer;
  return { ...written, faults: [...layer.faults, ...faults] };
}

/** A field name (RFC 9110 section 5.6.2), the first `:` or `=`, and whatever follows. */
const HEADER = /^\s*([!#$%&'*+.^_`|~\w-]+?)\s*[:=](.*)$/s;
