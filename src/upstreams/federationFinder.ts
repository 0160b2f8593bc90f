import type { Clock } from '../contracts.js';
import { type Calls, Failure, type Json, type Request } from './federationCalls.js';
import { type Directory, isTrouble, LISTS, type ListMethod } from './federationDirectory.js';
import { type Members, matchesTemplate, type NamedKind } from './federationMembers.js';
import { Shelf } from './federationShelf.js';

/** A member, and its own name for a thing. */
export interface Found {
  readonly member: string;
  readonly own: string;
}

/** The members that a thing may be of, where no list has it; and what kept others from saying. */
interface Perhaps {
  readonly among: readonly string[];
  readonly trouble: Failure | undefined;
}

/** So old a list may be by which a thing's member is found. */
const FRESH_MS = 10_000;
/** So long it is remembered which member had what none of them lists. */
const REMEMBERED_MS = 300_000;

/** Finds out whose a thing is. It remembers nothing that couldn't be found out again: any replica finds the same. */
export class Finder {
  readonly #members: Members;
  readonly #directory: Directory;
  readonly #graceMs: number;
  readonly #owners: Shelf<string>;

  constructor(members: Members, directory: Directory, graceMs: number, clock: Clock) {
    this.#members = members;
    this.#directory = directory;
    this.#graceMs = graceMs;
    this.#owners = new Shelf(clock);
  }

  /** By a name of ours; undefined for nobody's, and for what isn't shown. */
  async named(calls: Calls, kind: NamedKind, name: string): Promise<Found | Failure | undefined> {
    const meant = this.#members.names.meant(name);
    if (!meant) return undefined;
    const found = 'member' in meant ? meant : await this.#hashed(calls, kind, meant.among, name);
    if (!found || found instanceof Failure) return found;
    return this.#members.offers(kind, found.member, found.own, name) ? found : undefined;
  }

  /** A hash means the same for ever, so an old list will do before a new one is asked for. */
  async #hashed(calls: Calls, kind: NamedKind, among: readonly string[], name: string) {
    const isMeant = (member: string) => (thing: Json) =>
      this.#members.names.exposed(member, thing.name as string) === name;
    let trouble: Failure | undefined;
    for (const maxAgeMs of [Math.max(this.#graceMs, FRESH_MS), FRESH_MS, 0]) {
      for (const member of among) {
        const found = await this.#search(calls, member, `${kind}/list`, isMeant(member), maxAgeMs);
        if (found instanceof Failure) trouble = found;
        else if (found) return { member, own: found.name as string };
      }
    }
    return trouble;
  }

  /**
   * The member that has a resource: the first that lists it, then the first with a template for it, then the first that
   * answers `probe`.
   */
  async resource(calls: Calls, uri: string, probe?: Request): Promise<string | Failure | undefined> {
    const { only } = this.#members;
    if (only !== undefined) return only;
    const listed = await this.#everywhere(calls, 'resources/list', (thing) => thing.uri === uri);
    if (typeof listed === 'string') return listed;
    const matching = (thing: Json) => matchesTemplate(thing.uriTemplate as string, uri);
    const templated = await this.#everywhere(calls, 'resources/templates/list', matching);
    if (typeof templated === 'string') return templated;
    const among = this.#members.all.filter((name) => listed.among.includes(name) || templated.among.includes(name));
    const trouble = listed.trouble ?? templated.trouble;
    if (among.length === 1 && !trouble) return among[0];
    return probe ? this.asked(calls, uri, probe, { among, trouble }) : trouble;
  }

  /** The member that a template for completion is of. */
  async template(calls: Calls, uriTemplate: string): Promise<string | Failure | undefined> {
    const same = (thing: Json) => thing.uriTemplate === uriTemplate;
    const found = await this.#everywhere(calls, 'resources/templates/list', same);
    return typeof found === 'string' ? found : this.resource(calls, uriTemplate);
  }

  /** The first member that has a result for `probe`, which must change nothing. What it is about is remembered by `key`. */
  async asked(calls: Calls, key: string, probe: Request, perhaps?: Perhaps): Promise<string | Failure | undefined> {
    const { only, all } = this.#members;
    if (only !== undefined) return only;
    const place = this.#directory.key(calls, '', probe.method, key);
    const known = this.#owners.get(place, REMEMBERED_MS);
    if (known !== undefined) return known;
    let { trouble } = perhaps ?? {};
    for (const member of perhaps?.among ?? all) {
      const said = await this.#directory.ask(calls, probe, member);
      if (!(said instanceof Failure)) {
        this.#owners.set(place, member, member.length);
        return member;
      }
      if (isTrouble(said)) trouble ??= said;
    }
    return trouble;
  }

  /** The first member in whose list is what `isMeant`. */
  async #everywhere(calls: Calls, method: ListMethod, isMeant: (thing: Json) => boolean): Promise<string | Perhaps> {
    const found = await Promise.all(
      this.#members.all.map(async (member) => ({
        member,
        found: await this.#search(calls, member, method, isMeant, FRESH_MS),
      })),
    );
    const first = found.find((each) => each.found && !(each.found instanceof Failure));
    if (first) return first.member;
    const among = found.filter((each) => each.found === undefined).map(({ member }) => member);
    const trouble = found.map((each) => each.found).find((each) => each instanceof Failure);
    return { among, trouble: trouble instanceof Failure ? trouble : undefined };
  }

  /** Null where the member has no such list. */
  async #search(
    calls: Calls,
    member: string,
    method: ListMethod,
    isMeant: (thing: Json) => boolean,
    maxAgeMs: number,
  ): Promise<Json | Failure | null | undefined> {
    const { key } = LISTS[method];
    for await (const page of this.#directory.pages(calls, member, method, maxAgeMs)) {
      if (page instanceof Failure) return page;
      if (page.absent) return null;
      const found = page.things.find((thing) => typeof thing[key] === 'string' && isMeant(thing));
      if (found) return found;
    }
    return undefined;
  }
}
