import type { HeaderLines } from '../contracts.js';

/** Fields that mean one connection only (RFC 9110 section 7.6.1), and those that each side frames anew. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What a caller says to Drawbridge itself: never forwarded. */
export const ROUTING_HEADERS: ReadonlySet<string> = new Set([
  'x-btp-destination',
  'x-sap-destination',
  'x-mcp-destination',
  'x-mcp-url',
  'x-target-url',
]);

/** What a caller proves itself with, `Proxy-*` besides: forwarded only where a destination says so. */
const CALLER_SECRETS = new Set(['authorization', 'cookie', 'dpop']);

/** The body and the connection are ours to frame: undici and Node write these lines. */
const REFRAMED = new Set(['host', 'content-length', 'expect']);

const NOTHING: ReadonlySet<string> = new Set();

/** The names that a message's `Connection` lines declare hop-by-hop. */
function connectionNames(lines: HeaderLines): ReadonlySet<string> {
  let names: Set<string> | undefined;
  for (let i = 0; i < lines.length; i += 2) {
    if ((lines[i] as string).toLowerCase() !== 'connection') continue;
    for (const token of (lines[i + 1] as string).split(',')) {
      const name = token.trim().toLowerCase();
      if (name === 'keep-alive' || name === 'close' || name === '') continue;
      names ??= new Set();
      names.add(name);
    }
  }
  return names ?? NOTHING;
}

/**
 * The lines of a request as an MCP upstream gets them: without hop-by-hop fields, our own headers and the caller's
 * secrets, unless `forward` (lower-case names) lets one through. `shown` replaces lines of the same name; `defaults`
 * fill in where neither the caller nor `shown` has one.
 */
export function requestLines(
  lines: HeaderLines,
  forward: ReadonlySet<string>,
  shown: HeaderLines,
  defaults: HeaderLines,
): string[] {
  const perConnection = connectionNames(lines);
  const taken = new Set<string>();
  const out: string[] = [];
  for (let i = 0; i < shown.length; i += 2) {
    taken.add((shown[i] as string).toLowerCase());
    out.push(shown[i] as string, shown[i + 1] as string);
  }
  const replaced = new Set(taken);
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    if (REFRAMED.has(name) || HOP_BY_HOP.has(name) || perConnection.has(name) || ROUTING_HEADERS.has(name)) continue;
    if (replaced.has(name) || (isCallerSecret(name) && !forward.has(name))) continue;
    taken.add(name);
    out.push(lines[i] as string, lines[i + 1] as string);
  }
  for (let i = 0; i < defaults.length; i += 2) {
    if (!taken.has((defaults[i] as string).toLowerCase())) out.push(defaults[i] as string, defaults[i + 1] as string);
  }
  return out;
}

function isCallerSecret(name: string): boolean {
  return CALLER_SECRETS.has(name) || name.startsWith('proxy-');
}

/** The lines of an answer as the caller gets them: all but the hop-by-hop ones. */
export function responseLines(raw: readonly (Buffer | string)[]): string[] {
  const lines = raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
  const perConnection = connectionNames(lines);
  const out: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    if (!HOP_BY_HOP.has(name) && !perConnection.has(name)) out.push(lines[i] as string, lines[i + 1] as string);
  }
  return out;
}

/** The first value of a header in a list of lines; `name` in lower case. */
export function headerValue(lines: HeaderLines, name: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if ((lines[i] as string).length === name.length && (lines[i] as string).toLowerCase() === name) return lines[i + 1];
  }
  return undefined;
}

/** The lines without those named in `names` (lower case). */
export function without(lines: HeaderLines, names: ReadonlySet<string>): string[] {
  return lines.filter((_, index) => !names.has((lines[index - (index % 2)] as string).toLowerCase()));
}

/** Milliseconds of a `Retry-After`, whether it gives seconds or a date (RFC 9110 section 10.2.3); undefined where it is neither. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  // Date.parse takes far more than HTTP dates, "-1" among it.
  const date = /^[A-Za-z]{3,9},? .*GMT$/.test(value.trim()) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
