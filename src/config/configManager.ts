import path from 'node:path';
import type * as z from 'zod';
import { systemClock } from '../core/async.js';
import { ConfigError, type Fault } from '../core/errors.js';
import { PARSED_ONCE } from '../core/schema.js';
import { Secret } from '../core/secret.js';
import { kinds } from '../kinds.js';
import { SecretKeeper } from '../secrets/keeper.js';
import { redactor } from '../telemetry/redact.js';
import { checkCallerRules } from './callerRules.js';
import { renderFault } from './check.js';
import { checkEntry, entriesOf, filesOf, type Registry, type Room, toEntry } from './entries.js';
import { checkExposure } from './exposure.js';
import { type Flags, flagPlace, isOneUrl } from './flags.js';
import { applyForced, type Forced } from './forced.js';
import { faultsOf } from './issues.js';
import { checkLaunch, type DefaultHeaders, defaultHeaders, loginSettings } from './launch.js';
import { configCandidates, type Machine, serviceKeyFolder, userFolder } from './locate.js';
import { checkLoginRules } from './loginRules.js';
import { adoptClientEntries } from './mcpServers.js';
import { extraCaOf } from './networkFiles.js';
import { checkPlainHttp } from './plainHttp.js';
import { checkReferences } from './references.js';
import { configSchema, SECTIONS_TO_COME } from './schema.js';
import { addServiceKeys, nothingAdded } from './serviceKeyFolder.js';
import type { Entry, Settings } from './settings.js';
import { readSources, type Sources } from './sources.js';
import { type Branch, faultAt, find, isBranch, isLeaf, leafFaults, plain, textAt, warningAt, without } from './tree.js';

/** What a configuration is read from. */
export interface LoadOptions extends Machine {
  readonly flags: Flags;
  /** The kinds that entries may have; those of this house unless a test hands in others. */
  readonly registry?: Registry;
  /** What secret managers held last time; absent: they are asked for this load alone. Null: nobody is asked. */
  readonly secrets?: SecretKeeper | null;
}

/** Everything that was written, in one grammar and under its new names, and what was wrong on the way there. */
interface Gathered {
  readonly config: Branch;
  readonly launch: Branch;
  readonly forced: Forced;
  /** The folder of service keys, and every key in it. */
  readonly keyFiles: readonly string[];
  readonly faults: readonly Fault[];
  /** Of values whose references can't be, or were not to be, resolved. */
  readonly unresolved: readonly Fault[];
}

/** What the schemas made of it. */
interface Judged {
  readonly parsed: z.output<typeof configSchema> | undefined;
  readonly faults: readonly Fault[];
}

/**
 * Reads the whole configuration: file and overlays, environment, flags, service keys, and what secret managers hold. Starts
 * nothing, and calls nobody else. Rejects with a ConfigError that holds every fault at once, warnings after them, and the files that it was read from.
 */
export async function loadConfig(options: LoadOptions): Promise<Settings> {
  const { secrets } = options;
  if (secrets === null) return loadWith(options, null);
  const keeper = secrets ?? new SecretKeeper(systemClock);
  try {
    return await loadWith(options, keeper);
  } finally {
    if (!secrets) keeper.close();
  }
}

async function loadWith(options: LoadOptions, keeper: SecretKeeper | null): Promise<Settings> {
  const registry = options.registry ?? kinds;
  const round = keeper?.begin();
  const secrets = keeper && round ? { keeper, round } : null;
  const allowHttp = options.flags.allowHttp === true;
  const sources = await readSources(options.flags, options, { registry, secrets, allowHttp });
  const hidden = round?.values ?? [];
  const gathered = await gather(sources, options, registry);
  const files = filesRead(sources, gathered);
  const headers = defaultHeaders(gathered.launch, gathered.config, gathered.forced.destination);
  const judged = await judge(gathered.config, registry, options.flags);
  const told = withoutEchoes([...gathered.faults, ...headers.faults], gathered.unresolved, judged.faults);
  const all = sorted([...told, ...nothingToServe(gathered.config, sources, told, options)]);
  const faults = withoutValues(all, hidden);
  if (!judged.parsed || faults.some(isFault)) throw new ConfigError(faults, files);
  round?.settle();
  const extraCa = await extraCaOf(options.env, options.cwd);
  return {
    ...toSettings(gathered, judged.parsed, headers, files, faults, options),
    network: { ...extraCa, options: judged.parsed.network },
    hidden: hidden.map((value) => new Secret(value)),
  };
}

async function gather({ layer }: Sources, machine: LoadOptions, registry: Registry): Promise<Gathered> {
  const { launch } = layer;
  const folder = serviceKeyFolder(machine);
  const wanted = textAt(launch, 'destination');
  const adopted = adoptClientEntries(layer.config, new Set(Object.keys(configSchema.shape)));
  const url = launch.entries.get('url');
  const asked = { name: wanted, url: isLeaf(url) ? url : undefined, allowHttp: machine.flags.allowHttp === true };
  const oneUrl = isOneUrl(machine.flags);
  const keys = oneUrl ? nothingAdded(adopted.config) : await addServiceKeys(adopted.config, folder, asked, registry);
  const missing = `there is no service key for it: please create ${path.join(folder, `${wanted}.json`)}`;
  const forced = applyForced(keys.config, launch, missing, oneUrl);
  const faults = [...[layer, adopted, keys, forced].flatMap((step) => step.faults), ...checkLaunch(launch)];
  const unresolved = [forced.config, launch].flatMap(leafFaults);
  return { config: forced.config, launch, forced, keyFiles: keys.files, faults, unresolved };
}

async function judge(config: Branch, registry: Registry, flags: Flags): Promise<Judged> {
  const served = without(config, SECTIONS_TO_COME);
  const parsed = configSchema.safeParse(plain(served), PARSED_ONCE);
  const faults = [
    ...sectionsToCome(config),
    ...(parsed.success ? [] : faultsOf(parsed.error.issues, configSchema, served)),
    ...(await checkEntries(config, registry)),
    ...checkReferences(config),
    ...(flags.insecureNoAuth ? [] : checkExposure(config)),
    ...(await checkCallerRules(config, parsed.data?.permissions)),
    ...checkLoginRules(config),
    ...(flags.allowHttp ? [] : await checkPlainHttp(config)),
  ];
  return { parsed: parsed.data, faults };
}

/** One after the other: kinds are modules, and most entries share them. */
async function checkEntries(config: Branch, registry: Registry): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const room of ROOMS) {
    for (const [name, tree] of entriesOf(config, room)) faults.push(...(await checkEntry(room, name, tree, registry)));
  }
  return faults;
}

const ROOMS: readonly Room[] = ['destinations', 'credentials', 'identity', 'stores', 'secrets'];

function filesRead(sources: Sources, { config, keyFiles }: Gathered): string[] {
  const entries = ROOMS.flatMap((room) => entriesOf(config, room)).map(([, tree]) => toEntry(tree));
  return [...new Set([...sources.files, ...keyFiles, ...entries.flatMap(filesOf)])];
}

function sectionsToCome(config: Branch): Fault[] {
  return [...config.entries]
    .filter(([key, value]) => SECTIONS_TO_COME.has(key) && !(isBranch(value) && value.entries.size === 0))
    .map(([, value]) => faultAt(value.place, 'is not in this version yet', 'Leave it out: nothing would enforce it.'));
}

/** What a reference that isn't resolved does to the value it stands in is no second fault. */
function withoutEchoes(faults: readonly Fault[], unresolved: readonly Fault[], further: readonly Fault[]): Fault[] {
  const placeOf = ({ file, path }: Fault) => `${file}:${path}`;
  const told = new Set([...faults.filter(isFault), ...unresolved].map(placeOf));
  return [...faults, ...unresolved, ...further.filter((fault) => !told.has(placeOf(fault)))];
}

/** A fault may repeat a name that a secret manager's value stood for. */
function withoutValues(faults: readonly Fault[], hidden: readonly string[]): readonly Fault[] {
  const redact = redactor(hidden);
  if (!redact) return faults;
  return faults.map(({ hint, ...fault }) => ({
    ...fault,
    message: redact(fault.message),
    ...(hint === undefined ? {} : { hint: redact(hint) }),
  }));
}

function isFault({ severity }: Fault): boolean {
  return severity === 'fault';
}

/** Faults, then warnings; each file in one piece, and in the order of its lines. */
function sorted(faults: readonly Fault[]): Fault[] {
  const files = faults.map(({ file }) => file);
  const rank = ({ severity, file, line = 0 }: Fault) =>
    [severity === 'fault' ? 0 : 1, files.indexOf(file), line] as const;
  return [...faults].sort((one, other) => compare(rank(one), rank(other)));
}

function compare(one: readonly number[], other: readonly number[]): number {
  return one.map((value, index) => value - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** Without a destination there is nothing to do: a fault where nobody wrote any, else only worth a word. */
function nothingToServe(config: Branch, { hasFile }: Sources, told: readonly Fault[], machine: LoadOptions): Fault[] {
  if (told.some(isFault) || entriesOf(config, 'destinations').length > 0) return [];
  if (hasFile)
    return [warningAt({ ...config.place, path: 'destinations' }, 'there is no destination, so every call is refused')];
  const place = flagPlace('config', machine.cwd);
  const looked = configCandidates(machine, machine.flags.stdio).filter((file) => file.endsWith('.json'));
  const hint = 'Name a file with --config, a server with --url, or a service key with --destination.';
  return [faultAt(place, `no configuration was found: looked for ${looked.join(' and ')}`, hint)];
}

function toSettings(
  { config, launch, forced }: Gathered,
  parsed: z.output<typeof configSchema>,
  { headers }: DefaultHeaders,
  files: readonly string[],
  warnings: readonly Fault[],
  machine: LoadOptions,
): Omit<Settings, 'hidden' | 'network'> {
  return {
    server: parsed.server,
    destinations: toEntries(config, 'destinations'),
    credentials: toEntries(config, 'credentials'),
    identity: toEntries(config, 'identity'),
    stores: toEntries(config, 'stores'),
    secrets: toEntries(config, 'secrets'),
    permissions: parsed.permissions,
    quotas: parsed.quotas,
    resilience: parsed.resilience,
    login: { ...loginSettings(launch, machine, machine.flags), ...parsed.logins },
    telemetry: parsed.telemetry,
    baseDir: config.place.baseDir,
    keyFile: keyFileOf(config, parsed.server.keyFile, machine),
    forced: {
      ...(forced.destination === undefined ? {} : { destination: forced.destination }),
      ...(textAt(launch, 'transport') === 'sse' ? { sseAtRoot: true } : {}),
    },
    defaultHeaders: headers,
    files,
    notices: warnings.map(renderFault),
  };
}

/** Beside the file that names it, else in the user's own folder. */
function keyFileOf(config: Branch, named: string | undefined, machine: Machine): string {
  if (named === undefined) return path.join(userFolder(machine), 'keys.json');
  const written = find(config, ['server', 'keyFile']) ?? config;
  return path.resolve(written.place.baseDir, named);
}

function toEntries(config: Branch, room: Room): ReadonlyMap<string, Entry> {
  return new Map(entriesOf(config, room).map(([name, tree]) => [name, toEntry(tree, room)]));
}
