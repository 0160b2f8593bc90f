import type { McpCall, Reply } from '../contracts.js';
import { resultReply, type Unavailable, unavailable, unknownThing } from './federationAnswers.js';
import { type Calls, Failure, type Json } from './federationCalls.js';
import { type Places, readCursor, writeCursor } from './federationCursor.js';
import { type Directory, LISTS, type ListMethod, type Page, paramsOf } from './federationDirectory.js';
import type { Members } from './federationMembers.js';

/** What a member said. */
interface Said {
  readonly member: string;
  readonly page: Page | Failure;
}

/** Members' lists as one, a page of ours for one page of each that goes on. */
export class Lists {
  readonly #name: string;
  readonly #members: Members;
  readonly #directory: Directory;

  constructor(name: string, members: Members, directory: Directory) {
    this.#name = name;
    this.#members = members;
    this.#directory = directory;
  }

  async answer(calls: Calls, call: McpCall, method: ListMethod): Promise<Reply> {
    const { cursor, ...params } = paramsOf(call.body);
    const places = this.#places(cursor);
    if (!places) return unknownThing(call, 'Invalid cursor');
    const said = await Promise.all(
      [...places].map(async ([member, own]): Promise<Said> => {
        const asked = own === undefined ? params : { ...params, cursor: own };
        return { member, page: await this.#directory.shown(calls, member, method, asked) };
      }),
    );
    const failure = onlyFailures(said);
    return failure ? failure.give() : this.#merged(call, method, said);
  }

  #places(cursor: unknown): Places | undefined {
    if (cursor === undefined) return new Map(this.#members.all.map((member) => [member, undefined]));
    return typeof cursor === 'string' ? readCursor(cursor, new Set(this.#members.all)) : undefined;
  }

  #merged(call: McpCall, method: ListMethod, said: readonly Said[]): Reply {
    const { list, key } = LISTS[method];
    const things = new Map<unknown, Json>();
    const next = new Map<string, string>();
    const lacking: Unavailable[] = [];
    for (const { member, page } of said) {
      const trouble = page instanceof Failure ? page : page.stale;
      if (trouble) lacking.push(unavailable(member, trouble, !(page instanceof Failure)));
      if (page instanceof Failure) continue;
      // Where two members have one URI, the first has it: a call goes to that one, too.
      for (const thing of this.#shown(method, member, page)) if (!things.has(thing[key])) things.set(thing[key], thing);
      if (page.next !== undefined) next.set(member, page.next);
    }
    const nextCursor = writeCursor(next);
    const result = {
      [list]: [...things.values()],
      ...(nextCursor === undefined ? {} : { nextCursor }),
      ...life(said, lacking),
    };
    return resultReply(call, this.#name, result, lacking);
  }

  /** A page's things, under the names that they have here. */
  #shown(method: ListMethod, member: string, { things }: Page): readonly Json[] {
    if (method !== 'tools/list' && method !== 'prompts/list') return things;
    const { list } = LISTS[method];
    return things.flatMap((thing) => {
      const own = thing.name as string;
      const name = this.#members.names.exposed(member, own);
      return this.#members.offers(list, member, own, name) ? [{ ...thing, name }] : [];
    });
  }
}

/** As long as the shortest lives, and shared only where all are; what lacks somebody isn't kept at all. */
function life(said: readonly Said[], lacking: readonly Unavailable[]): Json {
  const pages = said.flatMap(({ page }) => (page instanceof Failure ? [] : [page]));
  const hidden = pages.some(({ absent }) => absent !== undefined && !absent.code.startsWith('RPC'));
  const shared = lacking.length === 0 && !hidden && pages.every((page) => page.shared);
  const ttlMs = lacking.length > 0 ? 0 : Math.min(...pages.map((page) => page.ttlMs));
  return { ttlMs: Number.isFinite(ttlMs) ? ttlMs : 0, cacheScope: shared ? 'public' : 'private' };
}

/** The first one's failure, where there is nothing else; a method that nobody has is one that isn't there. */
function onlyFailures(said: readonly Said[]): Failure | undefined {
  const failures = said.flatMap(({ page }) => (page instanceof Failure ? [page] : []));
  if (failures.length === said.length) return failures[0];
  const unknown = said.flatMap(({ page }) =>
    !(page instanceof Failure) && page.absent?.code.startsWith('RPC') ? [page.absent] : [],
  );
  return unknown.length === said.length ? unknown[0] : undefined;
}
