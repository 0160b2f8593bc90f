import type { ApiKey, KeyRing, NewKey } from './contracts/callers.js';
import type { Clock } from './contracts.js';
import { ConfigError } from './core/errors.js';
import { DURATION_HINT, durationMs, label } from './edge/adminSchema.js';

export type KeysAction = 'create' | 'list' | 'rotate' | 'revoke';

/** The options of `mcp-drawbridge keys`, as the command line has them. */
export interface KeysOptions {
  /** Of `rotate` and `revoke`: which key. */
  readonly id?: string;
  readonly name?: string;
  readonly role?: readonly string[];
  readonly tenant?: string;
  /** Globs. */
  readonly destination?: readonly string[];
  readonly expires?: string;
  readonly overlap?: string;
  readonly json?: boolean;
}

type Output = { write(text: string): unknown };

export interface KeysDeps {
  readonly keys: KeyRing;
  readonly clock: Clock;
  /** A key's text, and lists: nothing else, so that a script can take it as it is. */
  readonly stdout: Output;
  readonly stderr: Output;
}

const OVERLAP = '24h';
const MOST_OVERLAP_MS = 30 * 86_400_000;

/**
 * `mcp-drawbridge keys create|list|rotate|revoke`.
 * @throws ConfigError for options that can't be used; Error for a key that isn't there
 */
export async function runKeys(action: KeysAction, options: KeysOptions, deps: KeysDeps): Promise<void> {
  const actions = { create, list, rotate, revoke };
  await actions[action](options, deps);
}

async function create(options: KeysOptions, { keys, stdout, stderr }: KeysDeps): Promise<void> {
  const { key, record } = await keys.create(wanted(options));
  stdout.write(`${key}\n`);
  stderr.write(`Created ${describe(record)}\nThe key is shown this once: keep it now.\n`);
}

function wanted({ name, role = [], tenant, destination, expires }: KeysOptions): NewKey {
  const destinations = destination?.map((glob) => plain('--destination', glob));
  return {
    name: plain('--name', name),
    roles: role.map((one) => plain('--role', one)),
    ...(tenant === undefined ? {} : { tenant: plain('--tenant', tenant) }),
    ...(destinations === undefined || destinations.length === 0 ? {} : { destinations }),
    ...(expires === undefined ? {} : { expiresInMs: milliseconds('--expires', expires, 1000) }),
  };
}

async function list({ json }: KeysOptions, { keys, clock, stdout, stderr }: KeysDeps): Promise<void> {
  const rows = keys.list().map(({ hash: _hash, ...rest }) => ({ ...rest, state: stateOf(rest, clock.now()) }));
  if (json) {
    stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  if (rows.length === 0) stderr.write('There are no keys: mcp-drawbridge keys create --name <name> makes one.\n');
  else stdout.write(table(HEAD, rows.map(cells)));
}

async function rotate(options: KeysOptions, { keys, stdout, stderr }: KeysDeps): Promise<void> {
  const id = known(options.id, keys);
  const overlap = options.overlap ?? OVERLAP;
  const overlapMs = milliseconds('--overlap', overlap, 0, MOST_OVERLAP_MS);
  const { key, record } = await keys.rotate(id, overlapMs);
  stdout.write(`${key}\n`);
  stderr.write(
    `Created ${describe(record)}\nThe key is shown this once: keep it now. ${printable(id)} serves on for ${overlap}.\n`,
  );
}

async function revoke(options: KeysOptions, { keys, stderr }: KeysDeps): Promise<void> {
  const id = known(options.id, keys);
  if (!(await keys.revoke(id))) throw new Error(`the key ${printable(id)} has ended already`);
  stderr.write(`Revoked ${printable(id)}.\n`);
}

/** @throws Error that says where ids are to be had */
function known(id: string | undefined, keys: KeyRing): string {
  if (id === undefined || id === '') throw fault('id', 'is missing', 'mcp-drawbridge keys list shows the ids.');
  if (keys.list().some((key) => key.id === id)) return id;
  throw new Error(`there is no key with the id ${printable(id)}: mcp-drawbridge keys list shows the ids`);
}

function plain(option: string, value: string | undefined): string {
  const read = label(100).safeParse(value);
  if (read.success) return read.data;
  throw fault(option, 'must be text of 1 to 100 characters, without control characters');
}

function milliseconds(option: string, text: string, least: number, most = Number.POSITIVE_INFINITY): number {
  const ms = durationMs(text);
  if (ms === undefined) throw fault(option, `must be ${DURATION_HINT}, and at most ten years`);
  if (ms < least) throw fault(option, 'must be at least 1s');
  if (ms > most) throw fault(option, 'must be at most 30d');
  return ms;
}

function fault(path: string, message: string, hint?: string): ConfigError {
  return new ConfigError([
    { file: 'flags', path, message, severity: 'fault', ...(hint === undefined ? {} : { hint }) },
  ]);
}

type Row = Omit<ApiKey, 'hash'>;

function stateOf({ revokedAt, expiresAt }: Row, now: number): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt <= now ? 'ended' : 'active';
}

function describe({ id, name, expiresAt }: Row): string {
  const end = expiresAt === undefined ? 'without an end' : `until ${date(expiresAt)}`;
  return `${printable(id)} (${printable(name)}), ${end}.`;
}

const HEAD = ['ID', 'NAME', 'STATE', 'TENANT', 'ROLES', 'DESTINATIONS', 'EXPIRES'];

function cells(row: Row & { readonly state: string }): string[] {
  const { id, name, state, tenant = '-', roles, destinations = ['*'], expiresAt } = row;
  const end = expiresAt === undefined ? '-' : date(expiresAt);
  return [id, name, state, tenant, roles.join(' ') || '-', destinations.join(' '), end].map(printable);
}

/** Columns as wide as they must be. */
export function table(head: readonly string[], below: readonly (readonly string[])[]): string {
  const rows = [head, ...below];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] as number))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

export function date(ms: number): string {
  return new Date(ms).toISOString();
}

/** A name can't move the terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '?');
}
