import type { McpCall, Reply } from '../contracts.js';
import { isObject } from '../core/json.js';
import { resultReply, type Unavailable, unavailable } from './federationAnswers.js';
import { type Calls, Failure, type Json, REVISION } from './federationCalls.js';
import { type Directory, isAbsence, requestOf } from './federationDirectory.js';
import type { Members } from './federationMembers.js';
import type { Shelf } from './federationShelf.js';

/** What a model is told of all members together; each has its share. Characters. */
const MOST_INSTRUCTIONS = 16_000;
/** Deeper than any capability goes. */
const MOST_LEVELS = 8;

/** What a member said of itself. */
interface Said {
  readonly member: string;
  readonly result: Json | Failure;
  readonly stale?: Failure;
}

/** `server/discover` (2026-07-28) of all members as one. */
export class Discovery {
  readonly #name: string;
  readonly #members: Members;
  readonly #directory: Directory;
  readonly #shelf: Shelf<Json>;
  readonly #graceMs: number;

  constructor(name: string, members: Members, directory: Directory, shelf: Shelf<Json>, graceMs: number) {
    this.#name = name;
    this.#members = members;
    this.#directory = directory;
    this.#shelf = shelf;
    this.#graceMs = graceMs;
  }

  async answer(calls: Calls, call: McpCall): Promise<Reply> {
    const said = await Promise.all(this.#members.all.map((member) => this.#ask(calls, member)));
    const lacking = said.flatMap(trouble);
    const known = said.filter((each) => !(each.result instanceof Failure));
    const broken = said.find(({ result }) => result instanceof Failure && !isAbsence(result))?.result;
    if (known.length === 0 && broken instanceof Failure) return broken.give();
    const lacks = lacking.some(({ stale }) => !stale);
    return resultReply(call, this.#name, merged(known, said.length, lacks), lacking);
  }

  async #ask(calls: Calls, member: string): Promise<Said> {
    const key = this.#directory.key(calls, member, 'server/discover');
    const result = await this.#directory.promptly(calls, requestOf(calls.of, 'server/discover', {}), member);
    if (!(result instanceof Failure)) {
      this.#shelf.set(key, result, JSON.stringify(result).length);
      return { member, result };
    }
    const before = !isAbsence(result) ? this.#shelf.get(key, this.#graceMs) : undefined;
    return before ? { member, result: before, stale: result } : { member, result };
  }
}

function trouble({ member, result, stale }: Said): Unavailable[] {
  const failure = result instanceof Failure ? result : stale;
  return failure && !isAbsence(failure) ? [unavailable(member, failure, stale !== undefined)] : [];
}

function merged(known: readonly Said[], count: number, lacks: boolean): Json {
  const results = known.map(({ result }) => result as Json);
  const instructions = instructionsOf(known);
  const complete = known.length === count && known.every(({ stale }) => stale === undefined);
  const ttls = results.map(({ ttlMs }) => (typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : 0));
  const shared = complete && results.every(({ cacheScope }) => cacheScope === 'public');
  return {
    supportedVersions: [REVISION],
    capabilities: capabilitiesOf(results, lacks),
    ...(instructions === '' ? {} : { instructions }),
    ttlMs: complete && ttls.length > 0 ? Math.min(...ttls) : 0,
    cacheScope: shared ? 'public' : 'private',
  };
}

/** What any of them can do. The lists may always change: a member may go, and come back. */
function capabilitiesOf(results: readonly Json[], lacks: boolean): Json {
  const all = results.reduce<unknown>((one, { capabilities }) => union(one, capabilities ?? {}, 0), {});
  const known = isObject(all) ? all : {};
  // Nobody knows what the missing ones can do: whoever doesn't ask can't be told when they are back.
  const lists = ['tools', 'prompts', 'resources'].filter((key) => lacks || isObject(known[key]));
  const changing = lists.map((key) => [key, { ...(isObject(known[key]) ? known[key] : {}), listChanged: true }]);
  return { ...known, ...Object.fromEntries(changing) };
}

/** Objects are joined, true beats false, and else the first one's word stands. */
function union(one: unknown, other: unknown, level: number): unknown {
  if (isObject(one) && isObject(other) && level < MOST_LEVELS) {
    const joined = new Map(Object.entries(one));
    for (const [key, value] of Object.entries(other)) {
      joined.set(key, joined.has(key) ? union(joined.get(key), value, level + 1) : value);
    }
    return Object.fromEntries(joined);
  }
  return one === false ? other : one;
}

function instructionsOf(known: readonly Said[]): string {
  const share = Math.floor(MOST_INSTRUCTIONS / Math.max(1, known.length));
  return known
    .flatMap(({ member, result }) => {
      const { instructions } = result as Json;
      return typeof instructions === 'string' && instructions !== ''
        ? [`# ${member}\n\n${cut(instructions, share)}`]
        : [];
    })
    .join('\n\n');
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
