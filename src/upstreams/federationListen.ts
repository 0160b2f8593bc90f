import type { McpCall, Reply } from '../contracts.js';
import { isObject } from '../core/json.js';
import { callerLeft } from '../wire/explain.js';
import { EventStream } from '../wire/messages.js';
import { NO_SUCH_METHOD, unknownMethod, unknownThing } from './federationAnswers.js';
import { type Calls, Failure, type Json } from './federationCalls.js';
import { type Directory, paramsOf } from './federationDirectory.js';
import type { Finder } from './federationFinder.js';
import type { Health } from './federationHealth.js';
import type { Members } from './federationMembers.js';
import { listenRequest, Watch } from './federationWatch.js';

const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';
const KEEP_ALIVE_MS = 20_000;
/** Resources that one caller watches on one stream. */
const MOST_URIS = 1_000;

/** Notifications that wait for the acknowledgement. More say nothing new: each only tells that something changed. */
const MOST_EARLY = 1_000;

/** What a caller may ask to be told of lists, and how it is told. These a federation honours by itself: members come and go. */
const LISTS_CHANGED = {
  toolsListChanged: 'notifications/tools/list_changed',
  promptsListChanged: 'notifications/prompts/list_changed',
  resourcesListChanged: 'notifications/resources/list_changed',
} as const;

export interface ListenDeps {
  readonly members: Members;
  readonly finder: Finder;
  readonly directory: Directory;
  readonly health: Health;
  readonly listMs: number;
}

/** `subscriptions/listen` (2026-07-28): one stream to the caller, and one from each member, each with its part of the filter. */
export class Listening {
  readonly #deps: ListenDeps;
  readonly #calls: Calls;
  readonly #call: McpCall;
  readonly #leaving = new AbortController();
  readonly #stream: EventStream;
  readonly #closed: () => void;
  /** What members said before the caller was told that they listen: that comes first. */
  #early: Json[] | undefined = [];
  #filter: Json = {};

  /** `closed` is called once nobody listens any more. */
  constructor(deps: ListenDeps, calls: Calls, call: McpCall, closed: () => void) {
    this.#deps = deps;
    this.#calls = calls;
    this.#call = call;
    this.#closed = closed;
    this.#stream = new EventStream(() => this.#leave());
  }

  async answer(): Promise<Reply> {
    const { notifications } = paramsOf(this.#call.body);
    const fault = filterFault(notifications);
    if (fault !== undefined || !isObject(notifications)) return this.#refuse(fault);
    this.#filter = notifications;
    this.#calls.of.held = { cancel: () => this.#leave() };
    const parts = await this.#parts(notifications);
    const begun = await this.#begin(parts);
    if (begun instanceof Failure) {
      this.#leave();
      return begun.code === NO_SUCH_METHOD ? unknownMethod(this.#call) : begun.give();
    }
    this.#acknowledge(begun);
    return this.#stream.reply();
  }

  /** Says that it is over, as a server that stops does. */
  close(): void {
    const result = { resultType: 'complete', _meta: { [SUBSCRIPTION_KEY]: this.#call.id } };
    this.#write({ jsonrpc: '2.0', id: this.#call.id, result });
    this.#stream.end();
    this.#leave();
  }

  #refuse(fault = 'notifications is required'): Reply {
    this.#closed();
    return unknownThing(this.#call, fault);
  }

  #leave(): void {
    if (this.#leaving.signal.aborted) return;
    this.#leaving.abort(callerLeft());
    this.#calls.cancel();
    this.#closed();
  }

  /** What each member is asked for. A resource that nobody has is asked of nobody. */
  async #parts({ resourceSubscriptions, ...others }: Json): Promise<ReadonlyMap<string, Json>> {
    const uris = Array.isArray(resourceSubscriptions) ? (resourceSubscriptions as string[]) : [];
    const owned = new Map<string, string[]>();
    for (const uri of new Set(uris)) {
      const owner = await this.#deps.finder.resource(this.#calls, uri);
      if (typeof owner === 'string') owned.set(owner, [...(owned.get(owner) ?? []), uri]);
    }
    const wanted = Object.values(others).some((value) => value !== false);
    const parts = this.#deps.members.all.map((member): [string, Json] => {
      const own = owned.get(member);
      return [member, own ? { ...others, resourceSubscriptions: own } : others];
    });
    return new Map(parts.filter(([member]) => wanted || owned.has(member)));
  }

  /** Resolves with what the members honour that answer in time; the others are listened to as soon as they do. */
  async #begin(parts: ReadonlyMap<string, Json>): Promise<readonly Json[] | Failure> {
    const watches = [...parts].map(([member, part]) => this.#watch(member, part));
    const late = new AbortController();
    const deadline = this.#calls.clock.sleep(this.#deps.listMs, late.signal).catch(() => {});
    await Promise.race([Promise.all(watches.map(({ begun }) => begun)), deadline]);
    late.abort();
    const honoured = watches.flatMap(({ state }) => (state.honoured ? [state.honoured] : []));
    const failures = watches.flatMap(({ state }) => (state.failure ? [state.failure] : []));
    if (failures.length > 0 && failures.length === watches.length) return failures[0] as Failure;
    for (const { watch, state } of watches) if (!state.honoured) watch.late();
    return honoured;
  }

  #watch(member: string, part: Json) {
    const state: { honoured?: Json; failure?: Failure } = {};
    let settle = () => {};
    const begun = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const watch = new Watch(
      this.#calls,
      member,
      listenRequest(this.#calls, part),
      { ...this.#deps, signal: this.#leaving.signal },
      {
        began(honoured) {
          if (honoured) state.honoured = honoured;
          settle();
        },
        said: (message) => this.#pass(message),
        back: () => this.#changed(),
      },
    );
    void watch.run().then((failure) => {
      if (failure) state.failure = failure;
      settle();
    });
    return { watch, state, begun };
  }

  #acknowledge(honoured: readonly Json[]): void {
    const lists = Object.keys(LISTS_CHANGED).filter((key) => this.#filter[key] === true);
    const own = Object.fromEntries(lists.map((key) => [key, true]));
    const notifications = [...honoured, own].reduce(joined, {});
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#pass({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications } });
    for (const message of early) this.#pass(message);
    this.#keepAlive().catch(() => {});
  }

  /** A member's notification as the caller's own listening heard it. */
  #pass(message: Json): void {
    if (this.#early) {
      if (this.#early.length < MOST_EARLY) this.#early.push(message);
      return;
    }
    const params = isObject(message.params) ? message.params : {};
    const meta = isObject(params._meta) ? params._meta : {};
    const _meta = { ...meta, [SUBSCRIPTION_KEY]: this.#call.id };
    this.#write({ ...message, params: { ...params, _meta } });
  }

  #changed(): void {
    for (const [key, method] of Object.entries(LISTS_CHANGED)) {
      if (this.#filter[key] === true) this.#pass({ jsonrpc: '2.0', method });
    }
  }

  #write(message: Json): void {
    this.#stream.send({ event: 'message', data: JSON.stringify(message) });
  }

  /** Something between here and the caller may take a silent connection for a dead one. */
  async #keepAlive(): Promise<void> {
    for (;;) {
      await this.#calls.clock.sleep(KEEP_ALIVE_MS, this.#leaving.signal);
      this.#stream.keepAlive();
    }
  }
}

function filterFault(filter: unknown): string | undefined {
  if (!isObject(filter)) return 'notifications is required';
  const { resourceSubscriptions: uris = [] } = filter;
  const areUris = Array.isArray(uris) && uris.every((uri) => typeof uri === 'string');
  if (!areUris) return 'resourceSubscriptions must be a list of URIs';
  return uris.length > MOST_URIS ? `resourceSubscriptions has more than ${MOST_URIS} URIs` : undefined;
}

/** Two filters as one: lists are joined, and what either honours is honoured. */
function joined(one: Json, other: Json): Json {
  const all = new Map(Object.entries(one));
  for (const [key, value] of Object.entries(other)) {
    const before = all.get(key);
    all.set(key, Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : (value ?? before));
  }
  return Object.fromEntries(all);
}
