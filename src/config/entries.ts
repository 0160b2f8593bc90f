import path from 'node:path';
import type { ZodType } from 'zod';
import type { Rules, RulesDeps } from '../contracts/rules.js';
import type { Expansion, KindDeps, Signals } from '../contracts.js';
import { systemClock } from '../core/async.js';
import { ConfigError, type Fault } from '../core/errors.js';
import { PARSED_ONCE } from '../core/schema.js';
import { destinationFields } from '../resilience/destinationSchema.js';
import { faultsOf, meant } from './issues.js';
import type { Point } from './plugins.js';
import { checkRules } from './rulesEntry.js';
import type { Entry } from './settings.js';
import { checkToolset, type LoadToolset } from './toolsets.js';
import { type Branch, faultAt, isBranch, placeAt, plain, textAt, without } from './tree.js';

/** A kind as far as checking goes. */
type LoadKind = () => Promise<{
  readonly default: { readonly options: ZodType; create(options: never, deps: never): unknown };
}>;

/** The registry as far as checking goes; `kinds` is one. */
export interface Registry {
  readonly destinations: Readonly<Record<string, LoadKind>>;
  readonly shorthands: Readonly<Record<string, LoadKind>>;
  readonly toolsets: Readonly<Record<string, LoadToolset>>;
  readonly credentials: Readonly<Record<string, LoadKind>>;
  readonly identity: Readonly<Record<string, LoadKind>>;
  readonly stores: Readonly<Record<string, LoadKind>>;
  readonly secrets: Readonly<Record<string, LoadKind>>;
  readonly rules: Point<Rules, RulesDeps>;
}

/** The sections whose entries have kinds. */
export type Room = 'destinations' | 'credentials' | 'identity' | 'stores' | 'secrets';

/** Kinds that the documentation promises and this version lacks. */
const KINDS_TO_COME: Readonly<Record<Room, ReadonlySet<string>>> = {
  destinations: new Set(),
  credentials: new Set(),
  identity: new Set(),
  stores: new Set(['database', 'nats']),
  secrets: new Set(),
};

/** Kinds whose `create` reads a file and starts nothing: run here, its faults are told with all the others. */
const ONLY_READ = new Set(['service-key']);

/** The entries of a section, by name; what is no object is left to the schema. */
export function entriesOf(config: Branch, room: Room): [string, Branch][] {
  const section = config.entries.get(room);
  const entries = isBranch(section) ? [...section.entries] : [];
  return entries.filter((entry): entry is [string, Branch] => isBranch(entry[1]));
}

/** What destinations take whatever their kind. */
const COMMON: ReadonlySet<string> = new Set(Object.keys(destinationFields.shape));

/** An entry as the settings hold it. */
export function toEntry(tree: Branch, room?: Room): Entry {
  if (room === 'destinations') {
    const common = commonOf(tree);
    const entry = toEntry(without(tree, COMMON));
    return common.entries.size === 0
      ? entry
      : { ...entry, common: destinationFields.parse(plain(common), PARSED_ONCE) };
  }
  const options = plain(without(tree, new Set(['kind']))) as Record<string, unknown>;
  return { kind: textAt(tree, 'kind') ?? '', options, baseDir: tree.place.baseDir };
}

function commonOf(tree: Branch): Branch {
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => COMMON.has(key))) };
}

/** What is wrong with one entry, by its kind's own schema, and what every destination takes besides. */
export async function checkEntry(room: Room, name: string, tree: Branch, registry: Registry): Promise<Fault[]> {
  if (room !== 'destinations') return checkOptions(room, name, tree, registry);
  const common = commonOf(tree);
  const { error } = destinationFields.safeParse(plain(common), PARSED_ONCE);
  const faults = error ? faultsOf(error.issues, destinationFields, common) : [];
  if (!error) faults.push(...(await checkRules(tree, registry.rules)));
  return [...faults, ...(await checkOptions(room, name, without(tree, COMMON), registry))];
}

async function checkOptions(room: Room, name: string, tree: Branch, registry: Registry): Promise<Fault[]> {
  const entry = toEntry(tree);
  const loads = knownKinds(room, registry);
  const load = Object.hasOwn(loads, entry.kind) ? loads[entry.kind] : undefined;
  if (!load) return [unknownKind(room, tree, entry.kind, Object.keys(loads))];
  const { default: kind } = await load();
  const parsed = kind.options.safeParse(entry.options, PARSED_ONCE);
  if (!parsed.success) return faultsOf(parsed.error.issues, kind.options, tree);
  if (room === 'destinations' && entry.kind === 'toolset') return checkToolset(tree, registry.toolsets);
  if (!ONLY_READ.has(entry.kind)) return [];
  const created = await create(() => kind.create(parsed.data as never, checkDeps(name, entry.baseDir) as never));
  if (created instanceof ConfigError) return [...created.faults];
  return room === 'destinations' ? checkExpansion(created as Expansion, tree, registry) : [];
}

/** The files that an entry reads when it is created. */
export function filesOf(entry: Entry): string[] {
  const { file } = entry.options;
  return typeof file === 'string' ? [path.resolve(entry.baseDir, file)] : [];
}

function knownKinds(room: Room, registry: Registry): Readonly<Record<string, LoadKind>> {
  return room === 'destinations' ? { ...registry.destinations, ...registry.shorthands } : registry[room];
}

function unknownKind(room: Room, tree: Branch, kind: string, known: readonly string[]): Fault {
  const place = placeAt(tree, ['kind']);
  const list = `Known: ${known.join(', ')}.`;
  if (kind === '') return faultAt(place, 'is required', list);
  if (KINDS_TO_COME[room].has(kind)) return faultAt(place, `kind "${kind}" is not in this version yet`, list);
  return faultAt(place, `kind "${kind}" is unknown`, meant(kind, known) ?? list);
}

/** A shorthand hands most of its options on, under the same names, for the kind that it stands for to judge. */
async function checkExpansion({ destination }: Expansion, tree: Branch, registry: Registry): Promise<Fault[]> {
  const { kind, ...options } = destination;
  const upstream = await registry.destinations[kind]?.();
  const parsed = upstream?.default.options.safeParse(options, PARSED_ONCE);
  return upstream && parsed?.error ? faultsOf(parsed.error.issues, upstream.default.options, tree) : [];
}

/** What was created, or the fault of the configuration that stood in the way. */
async function create(kind: () => unknown): Promise<unknown> {
  try {
    return await kind();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

const SILENT: Signals = { emit: () => {}, enabled: () => false };

/** Enough to read a file by; nothing here reaches the network. */
function checkDeps(name: string, baseDir: string): KindDeps {
  const rest = () => Promise.reject(new TypeError('a check calls nobody'));
  return { name, baseDir, clock: systemClock, signals: SILENT, rest };
}
