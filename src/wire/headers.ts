import type { HeaderLines } from '../contracts.js';

/** Fields that mean one connection only (RFC 9110 section 7.6.1), and those that each side frames anew. */
const HOP_BY_HOP = new Set([
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

/** Begins the names of all else that is said to Drawbridge: never forwarded either. */
const OWN_PREFIX = 'x-drawbridge-';

/** What a caller proves itself with, `Proxy-*` besides: forwarded only where a destination says so. */
const CALLER_SECRETS = new Set(['authorization', 'cookie', 'dpop']);

/** The body and the connection are ours to frame: undici and Node write these lines. */
const REFRAMED = new Set(['host', 'content-length', 'expect']);

/** A field name as it concerns whoever passes it on. */
interface FieldName {
  readonly lower: string;
  readonly connection: boolean;
  readonly hopByHop: boolean;
  /** Not for an upstream: framed anew, or said to us. */
  readonly ours: boolean;
  readonly secret: boolean;
  /** What a caller shows us a token or key in. */
  readonly token: boolean;
}

function describe(name: string): FieldName {
  const lower = name.toLowerCase();
  return {
    lower,
    connection: lower === 'connection',
    hopByHop: lower === 'connection' || HOP_BY_HOP.has(lower),
    ours: REFRAMED.has(lower) || ROUTING_HEADERS.has(lower) || lower.startsWith(OWN_PREFIX),
    secret: CALLER_SECRETS.has(lower) || lower.startsWith('proxy-'),
    token: lower === 'authorization' || lower === 'x-api-key',
  };
}

/** More names than honest clients and servers have between them; past that nothing is remembered, so nobody can fill it. */
const MOST_NAMES = 512;

/** Field names that were met before: nearly every line of nearly every message. */
export class FieldNames {
  readonly #known = new Map<string, FieldName>();

  of(name: string): FieldName {
    const known = this.#known.get(name);
    if (known) return known;
    const field = describe(name);
    if (this.#known.size < MOST_NAMES) this.#known.set(name, field);
    return field;
  }
}

/**
 * The lines of a request as an MCP upstream gets them: without hop-by-hop fields, our own headers and the caller's
 * secrets, unless `forward` (lower-case names) lets one through. `shown` replaces lines of the same name; `defaults`
 * fill in where neither the caller nor `shown` has one. `tokenIsOurs`: what the caller proved itself with to us goes to
 * nobody else, whatever `forward` says.
 */
export function requestLines(
  lines: HeaderLines,
  names: FieldNames,
  forward: ReadonlySet<string>,
  shown: HeaderLines,
  defaults: HeaderLines,
  tokenIsOurs = false,
): string[] {
  const out = [...shown];
  let perConnection = '';
  for (let i = 0; i < lines.length; i += 2) {
    const field = names.of(lines[i] as string);
    if (field.connection) perConnection += `,${lines[i + 1]}`;
    if (tokenIsOurs && field.token) continue;
    if (passes(field, forward) && headerValue(shown, field.lower) === undefined) {
      out.push(lines[i] as string, lines[i + 1] as string);
    }
  }
  for (let i = 0; i < defaults.length; i += 2) {
    const { lower } = names.of(defaults[i] as string);
    if (headerValue(out, lower) === undefined) out.push(defaults[i] as string, defaults[i + 1] as string);
  }
  return withoutConnection(out, perConnection);
}

function passes(field: FieldName, forward: ReadonlySet<string>): boolean {
  return field.secret ? forward.has(field.lower) : !field.hopByHop && !field.ours;
}

/** The lines of an answer as the caller gets them: all but the hop-by-hop ones. */
export function responseLines(raw: readonly (Buffer | string)[], names: FieldNames): string[] {
  const out: string[] = [];
  let perConnection = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i] as Buffer | string);
    const field = names.of(name);
    if (field.connection) perConnection += `,${text(raw[i + 1] as Buffer | string)}`;
    if (!field.hopByHop) out.push(name, text(raw[i + 1] as Buffer | string));
  }
  return withoutConnection(out, perConnection);
}

function text(part: Buffer | string): string {
  return typeof part === 'string' ? part : part.toString('latin1');
}

/** Without what the `Connection` lines declare hop-by-hop; they may stand behind what they name. */
function withoutConnection(lines: string[], declared: string): string[] {
  if (declared === '' || /^(?:[\s,]|keep-alive|close)*$/i.test(declared)) return lines;
  return without(
    lines,
    new Set(
      declared
        .toLowerCase()
        .split(',')
        .map((name) => name.trim()),
    ),
  );
}

/** The first value of a header in a list of lines; `name` in lower case. */
export function headerValue(lines: HeaderLines, name: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) {
    if ((lines[i] as string).length === name.length && (lines[i] as string).toLowerCase() === name) return lines[i + 1];
  }
  return undefined;
}

/** True where a header has two lines, of which each reader may believe another. `name` in lower case. */
export function saidTwice(lines: HeaderLines, name: string): boolean {
  let said = false;
  for (let i = 0; i < lines.length; i += 2) {
    if ((lines[i] as string).length !== name.length || (lines[i] as string).toLowerCase() !== name) continue;
    if (said) return true;
    said = true;
  }
  return false;
}

/** True for an answer that may be silent for as long as it likes (media types don't care for case). */
export function isEventStream(lines: HeaderLines): boolean {
  return /^text\/event-stream\b/i.test(headerValue(lines, 'content-type') ?? '');
}

/** The lines with another value for a header that they have; `name` in lower case. */
export function replaced(lines: HeaderLines, name: string, value: string): string[] {
  const out = [...lines];
  for (let i = 0; i < out.length; i += 2) {
    if ((out[i] as string).length === name.length && (out[i] as string).toLowerCase() === name) out[i + 1] = value;
  }
  return out;
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
