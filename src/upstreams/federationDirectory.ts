import { createHash } from 'node:crypto';
import type { Exchange, Handler, HeaderLines } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { scopeKey } from '../core/scopeKey.js';
import { NO_SUCH_METHOD } from './federationAnswers.js';
import { type Calls, Failure, type Json, type Request } from './federationCalls.js';
import { Hanging } from './federationHanging.js';
import type { Health } from './federationHealth.js';
import type { Shelf } from './federationShelf.js';

/** Where a result lists things, and what names each. */
export const LISTS = {
  'tools/list': { list: 'tools', key: 'name' },
  'prompts/list': { list: 'prompts', key: 'name' },
  'resources/list': { list: 'resources', key: 'uri' },
  'resources/templates/list': { list: 'resourceTemplates', key: 'uriTemplate' },
} as const;

export type ListMethod = keyof typeof LISTS;

export function isListMethod(method: string | undefined): method is ListMethod {
  return method !== undefined && Object.hasOwn(LISTS, method);
}

/** What a member said to one page of a list. */
export interface Page {
  readonly things: readonly Json[];
  /** The member's own cursor. */
  readonly next: string | undefined;
  readonly ttlMs: number;
  readonly shared: boolean;
  /** Why nothing is here, where that is no fault: the member has no such list, or shows it to others. */
  readonly absent?: Failure;
  /** The member fails just now, this is what it said before. */
  readonly stale?: Failure;
}

/** A list that goes on for longer isn't read to its end; the rest of it is reached by the pages that callers ask for. */
const MOST_PAGES = 100;
/** Of a member's own. */
const LONGEST_CURSOR = 16_384;
/** The answers that say: not for you. To this caller the member isn't there. */
const HIDDEN: ReadonlySet<string> = new Set(['UNKNOWN_DESTINATION', 'NOT_PERMITTED']);

/** Of one message, or of whoever carried it: no server lists other things for them. */
const PASSING =
  /^(accept(-.*)?|content-.*|traceparent|tracestate|baggage|user-agent|x-request-id|x-correlation-id|mcp-.*|connection|host|date|forwarded|x-forwarded-.*|via|sec-.*|origin|referer|cache-control|pragma|priority|expect|te|transfer-encoding|keep-alive|last-event-id)$/;
const PROOFS: ReadonlySet<string> = new Set(['authorization', 'x-api-key']);

export interface DirectoryOptions {
  readonly listMs: number;
  readonly graceMs: number;
}

/**
 * Asks members for their lists, and keeps what they said: for a short while to find whose a thing is, and for `graceMs` in
 * case they fail. Each caller has its own, since members show each what it may use.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #health: Health;
  readonly #shelf: Shelf<Page>;
  /** A member of another configuration, with other permissions, is another one. */
  readonly #generations = new WeakMap<Handler, string>();
  readonly #hanging = new Hanging();
  #ways = 0;

  constructor(options: DirectoryOptions, health: Health, shelf: Shelf<Page>) {
    this.#options = options;
    this.#health = health;
    this.#shelf = shelf;
  }

  /** One page; what was said within `maxAgeMs` will do. */
  async page(
    calls: Calls,
    member: string,
    method: ListMethod,
    params: Json,
    maxAgeMs: number,
  ): Promise<Page | Failure> {
    const key = this.key(calls, member, method, JSON.stringify(withoutMeta(params)));
    const known = maxAgeMs > 0 ? this.#shelf.get(key, maxAgeMs) : undefined;
    return known ?? this.#read(key, method, await this.ask(calls, requestOf(calls.of, method, params), member));
  }

  /** One page for a list of all members', which waits for none that hung when it was asked before. */
  async shown(calls: Calls, member: string, method: ListMethod, params: Json): Promise<Page | Failure> {
    const key = this.key(calls, member, method, JSON.stringify(withoutMeta(params)));
    return this.#read(key, method, await this.promptly(calls, requestOf(calls.of, method, params), member));
  }

  #read(key: string, method: ListMethod, said: Json | Failure): Page | Failure {
    const page = said instanceof Failure ? absence(said) : readPage(said, method);
    if (page instanceof Failure) return this.#instead(key, page);
    this.#shelf.set(key, page, sizeOf(page));
    return page;
  }

  /** Page after page of a member's list. What it fails with ends it. */
  async *pages(calls: Calls, member: string, method: ListMethod, maxAgeMs: number): AsyncGenerator<Page | Failure> {
    let cursor: string | undefined;
    for (let count = 0; count < MOST_PAGES; count++) {
      const page = await this.page(calls, member, method, cursor === undefined ? {} : { cursor }, maxAgeMs);
      yield page;
      if (page instanceof Failure || page.next === undefined) return;
      cursor = page.next;
    }
  }

  /** Any other question, as soon as a list is answered. */
  async ask(calls: Calls, request: Request, member: string): Promise<Json | Failure> {
    const said = await calls.ask(request, member, this.#options.listMs);
    this.#health.learn(member, said instanceof Failure ? said.code : undefined);
    return said;
  }

  /**
   * As `ask`; but a member that let this caller wait in vain is asked behind its back from then on, and has failed already,
   * until it answers in time.
   */
  async promptly(calls: Calls, request: Request, member: string): Promise<Json | Failure> {
    const who = this.key(calls, member);
    const before = this.#hanging.failure(who);
    if (!before) return this.#hanging.learn(who, await this.ask(calls, request, member));
    this.#hanging.behind(who, () => this.ask(calls, request, member));
    return before;
  }

  /** Under which something is kept of a member for this caller: by who calls, what it may do, and what the member sees of it. */
  key(calls: Calls, member: string, ...parts: readonly string[]): string {
    const { of } = calls;
    const { principal } = of;
    const rights = [principal?.roles ?? [], principal?.scopes ?? null, principal?.destinations ?? null];
    const seen = [seenOf(of.request.headerLines, of.tokenIsOurs === true), of.request.target, capabilitiesOf(of)];
    const text = scopeKey(
      principal ?? null,
      JSON.stringify([rights, seen]),
      this.#generation(calls.way(member)),
      member,
      ...parts,
    );
    return createHash('sha256').update(text).digest('base64url');
  }

  #generation(way: Handler | undefined): string {
    if (!way) return '';
    const known = this.#generations.get(way) ?? String(++this.#ways);
    this.#generations.set(way, known);
    return known;
  }

  #instead(key: string, failure: Failure): Page | Failure {
    const before = this.#shelf.get(key, this.#options.graceMs);
    return before ? { ...before, stale: failure } : failure;
  }
}

/** False for a failure that is an answer: the member has no such thing, or not for this caller. */
export function isTrouble({ code }: Failure): boolean {
  return !HIDDEN.has(code) && !code.startsWith('RPC');
}

/** True for a failure that is none: there is nothing for this caller. */
export function isAbsence({ code }: Failure): boolean {
  return HIDDEN.has(code) || code === NO_SUCH_METHOD;
}

function absence(failure: Failure): Page | Failure {
  return isAbsence(failure) ? { ...NOTHING, absent: failure } : failure;
}

const NOTHING: Page = { things: [], next: undefined, ttlMs: Number.POSITIVE_INFINITY, shared: true };

/** A caller's request as a member gets it: under the same id, and without a token whose progress several would tell. */
export function requestOf({ call }: Exchange, method: string, params: Json): Request {
  const { progressToken: _, ...meta } = metaOf(call?.body ?? null);
  return { jsonrpc: '2.0', id: call?.id ?? 0, method, params: { ...params, _meta: meta } };
}

function metaOf(body: Buffer | null): Json {
  return memberOf(paramsOf(body), '_meta');
}

export function paramsOf(body: Buffer | null): Json {
  return body === null ? {} : memberOf(JSON.parse(body.toString()), 'params');
}

function memberOf(from: unknown, key: string): Json {
  const value = isObject(from) && Object.hasOwn(from, key) ? from[key] : undefined;
  return isObject(value) ? value : {};
}

function capabilitiesOf({ call }: Exchange): unknown {
  return metaOf(call?.body ?? null)['io.modelcontextprotocol/clientCapabilities'] ?? null;
}

function withoutMeta({ _meta: _, ...params }: Json): Json {
  return params;
}

function seenOf(lines: HeaderLines, tokenIsOurs: boolean): string[] {
  const seen: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    if (PASSING.test(name) || (tokenIsOurs && PROOFS.has(name))) continue;
    seen.push(JSON.stringify([name, lines[i + 1]]));
  }
  return seen.sort();
}

function readPage(result: Json, method: ListMethod): Page | Failure {
  const { list, key } = LISTS[method];
  const { [list]: things, nextCursor, ttlMs, cacheScope } = result;
  if (typeof nextCursor === 'string' && nextCursor.length > LONGEST_CURSOR) {
    const why = new GatewayError('UPSTREAM_GARBAGE', `a cursor has more than ${LONGEST_CURSOR} characters`);
    return new Failure(why.code, why);
  }
  const next = typeof nextCursor === 'string' ? nextCursor : undefined;
  return {
    things: Array.isArray(things) ? things.filter((thing) => isObject(thing) && typeof thing[key] === 'string') : [],
    next,
    ttlMs: typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : 0,
    shared: cacheScope === 'public',
  };
}

function sizeOf({ things }: Page): number {
  return JSON.stringify(things).length * 2;
}
