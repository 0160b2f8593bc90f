import type { Fault } from '../core/errors.js';
import { headerName, headerValue } from '../core/schema.js';
import { isOn } from './renames.js';
import { type Branch, faultAt, find, isBranch, isLeaf, type Place, type Tree, warningAt } from './tree.js';

/** Default headers as name and value, and what is wrong with them. */
export interface DefaultHeaders {
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly faults: readonly Fault[];
}

const NO_LOGIN = 'has no effect: interactive login is not in this version yet';
const NO_SSE = 'has no effect: HTTP+SSE is served where everything else is, at /sse';

/** `sse` adds a door to what is served at any rate. */
const SERVED = new Set(['http', 'streamable-http', 'sse']);

/** What may be said at a start and changes nothing. */
const IDLE: Readonly<Record<string, string>> = {
  browser: NO_LOGIN,
  browserAuthPort: NO_LOGIN,
  sseHost: NO_SSE,
  ssePort: NO_SSE,
  httpJsonResponse: 'has no effect: answers pass as the server writes them',
  httpEnableDnsProtection: 'has no effect: Host and Origin are checked always',
};

/** What a start asks for that this version doesn't serve: refused where it changes what is served, else told. */
export function checkLaunch(launch: Branch): Fault[] {
  return [
    ...checkTransport(launch.entries.get('transport')),
    ...tell(launch, 'persist', isOn, 'has no effect: this version keeps tokens in memory only'),
    ...Object.entries(IDLE).flatMap(([key, message]) => tell(launch, key, isWritten, message)),
  ];
}

function checkTransport(transport: Tree | undefined): Fault[] {
  if (!isLeaf(transport) || SERVED.has(String(transport.value))) return [];
  if (transport.value === 'stdio') {
    return [
      faultAt(transport.place, 'stdio is a command of its own', 'Say mcp-drawbridge stdio, with the same options.'),
    ];
  }
  return [faultAt(transport.place, 'must be streamable-http or sse', 'Leave it out, or say streamable-http.')];
}

function tell(launch: Branch, key: string, applies: (value: Tree | undefined) => boolean, message: string): Fault[] {
  const value = launch.entries.get(key);
  return value && applies(value) ? [warningAt(value.place, message)] : [];
}

function isWritten(value: Tree | undefined): boolean {
  return value !== undefined;
}

/** The default headers, checked. `Authorization` only goes where no credential of ours would fight with it. */
export function defaultHeaders(launch: Branch, config: Branch, destination: string | undefined): DefaultHeaders {
  const written = launch.entries.get('headers');
  if (!isBranch(written)) return { headers: [], faults: written ? [faultAt(written.place, 'must be an object')] : [] };
  const headers = [...written.entries].map(
    ([name, value]) => [name, isLeaf(value) ? String(value.value) : ''] as const,
  );
  const faults = [...written.entries].flatMap(([name, value]) => checkHeader(name, value, config, destination));
  return { headers, faults };
}

function checkHeader(name: string, value: Tree, config: Branch, destination: string | undefined): Fault[] {
  const { place } = value;
  if (!headerName().safeParse(name).success) return [faultAt(place, `${name} is no header to set by default`)];
  if (!isLeaf(value) || !headerValue().safeParse(String(value.value)).success) {
    return [faultAt(place, `the value of ${name} can't stand in a header`, 'It must be one line of Latin-1 text.')];
  }
  return name === 'authorization' ? checkAuthorization(place, config, destination) : [];
}

function checkAuthorization(place: Place, config: Branch, destination: string | undefined): Fault[] {
  const destinations = config.entries.get('destinations');
  const all = isBranch(destinations) ? [...destinations.entries] : [];
  const owner = all.find(([name, entry]) => (destination ?? name) === name && hasCredential(entry));
  if (!owner) return [];
  return [
    faultAt(
      place,
      `Authorization would fight with the credential of destination "${owner[0]}"`,
      'Leave one of them out.',
    ),
  ];
}

/** Kinds that bring no credential along. */
const BARE_KINDS = new Set(['http', 'sse', 'web']);

/** Its own, or the one that a shorthand brings along. */
function hasCredential(entry: Tree): boolean {
  const kind = find(entry, ['kind']);
  return find(entry, ['credential']) !== undefined || (isLeaf(kind) && !BARE_KINDS.has(String(kind.value)));
}
