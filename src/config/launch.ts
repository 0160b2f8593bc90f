import fs from 'node:fs';
import path from 'node:path';
import type { Fault } from '../core/errors.js';
import { headerName, headerValue } from '../core/schema.js';
import type { Flags } from './flags.js';
import { type Machine, userFolder } from './locate.js';
import { mcpRemoteFolder } from './mcpRemoteStore.js';
import { isOn } from './renames.js';
import type { LoginSettings } from './settings.js';
import {
  type Branch,
  faultAt,
  find,
  isBranch,
  isLeaf,
  type Leaf,
  type Place,
  type Tree,
  textAt,
  warningAt,
} from './tree.js';

/** Default headers as name and value, and what is wrong with them. */
export interface DefaultHeaders {
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly faults: readonly Fault[];
}

const NO_SSE = 'has no effect: HTTP+SSE is served where everything else is, at /sse';

/** `sse` adds a door to what is served at any rate. */
const SERVED = new Set(['http', 'streamable-http', 'sse']);

/** What may be said at a start and changes nothing. */
const IDLE: Readonly<Record<string, string>> = {
  sseHost: NO_SSE,
  ssePort: NO_SSE,
  httpJsonResponse: 'has no effect: answers pass as the server writes them',
  httpEnableDnsProtection: 'has no effect: Host and Origin are checked always',
};

/** What a start asks for that this version doesn't serve: refused where it changes what is served, else told. */
export function checkLaunch(launch: Branch): Fault[] {
  return [
    ...checkTransport(launch.entries.get('transport')),
    ...checkPort(launch.entries.get('browserAuthPort')),
    ...checkText(launch, 'callbackHost', /^(?:[\w.-]+|\[[\da-f:.]+\])$/i, 'must be a name of this machine'),
    ...checkText(launch, 'callbackPath', /^\/[\w./~-]*$/, 'must be a path: / and what follows'),
    ...checkText(launch, 'authTimeout', /^\d{1,3}$/, 'must be a number of seconds, at most 999'),
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

function checkPort(port: Tree | undefined): Fault[] {
  if (port === undefined || (isLeaf(port) && portIn(port) !== undefined)) return [];
  return [faultAt(port.place, 'must be a port: a number from 1 to 65535')];
}

function checkText(launch: Branch, key: string, pattern: RegExp, message: string): Fault[] {
  const written = launch.entries.get(key);
  return written && !(isLeaf(written) && pattern.test(String(written.value))) ? [faultAt(written.place, message)] : [];
}

function portIn({ value }: Leaf): number | undefined {
  const port = Number(value);
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

/** How people log in. Without a wish a browser is opened for `stdio`, which has a person before it, and for nobody else. */
export function loginSettings(
  launch: Branch,
  machine: Machine,
  { stdio = false, mcpRemote }: Flags,
): Omit<LoginSettings, 'keychain'> {
  const named = textAt(launch, 'browser') ?? (stdio ? 'system' : 'none');
  const browser = named === 'none' || named === 'headless' ? 'none' : 'system';
  const port = launch.entries.get('browserAuthPort');
  const persist = launch.entries.get('persist');
  const timeout = launch.entries.get('authTimeout');
  const usualMs = stdio && browser === 'system' ? STDIO_WAIT_MS : 0;
  const theirs = mcpRemoteFolder(machine);
  return {
    folder: tokenFolder(machine),
    persist: persist ? isOn(persist) : stdio,
    browser,
    host: textAt(launch, 'callbackHost') ?? 'localhost',
    path: textAt(launch, 'callbackPath') ?? '/oauth/callback',
    waitMs: isLeaf(timeout) ? Number(timeout.value) * 1000 : usualMs,
    ...(isLeaf(port) ? { port: portIn(port) as number } : {}),
    ...(mcpRemote !== undefined && fs.existsSync(theirs) ? { mcpRemote: { folder: theirs, hash: mcpRemote } } : {}),
  };
}

/** Where tokens are kept that outlive a process. */
export function tokenFolder(machine: Machine): string {
  return path.join(userFolder(machine), 'tokens');
}

/** As long as mcp-remote waits. */
const STDIO_WAIT_MS = 30_000;

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
