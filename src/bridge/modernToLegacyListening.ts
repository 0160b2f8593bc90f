import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import type { Refusal } from './modernToLegacyAnswers.js';
import type { Face } from './modernToLegacyFace.js';
import { type Json, type Message, SUBSCRIPTION_KEY } from './modernToLegacyMessages.js';
import type { LegacySession, Listener } from './modernToLegacySession.js';

/** What somebody listens for, or may (2026-07-28, `subscriptions/listen`). */
interface Filter {
  readonly toolsListChanged?: boolean;
  readonly promptsListChanged?: boolean;
  readonly resourcesListChanged?: boolean;
  readonly resourceSubscriptions?: readonly string[];
}

const LISTS = {
  toolsListChanged: 'tools',
  promptsListChanged: 'prompts',
  resourcesListChanged: 'resources',
} as const;
type List = keyof typeof LISTS;

export function filterOf(params: Json): Filter {
  const wanted = isObject(params.notifications) ? params.notifications : {};
  const uris = Array.isArray(wanted.resourceSubscriptions) ? wanted.resourceSubscriptions : [];
  const lists = (Object.keys(LISTS) as List[]).filter((list) => wanted[list] === true);
  const filter = Object.fromEntries(lists.map((list) => [list, true])) as Filter;
  const texts = [...new Set(uris.filter((uri): uri is string => typeof uri === 'string'))];
  return texts.length > 0 ? { ...filter, resourceSubscriptions: texts } : filter;
}

/** Finds the session to listen in, anew where the server forgot the last one. */
export type Find = () => Promise<LegacySession | Refusal>;

/** One client that listens: a part of what a session says on its standing stream, for as long as the client stays. */
export class Listening implements Listener {
  readonly #face: Face;
  readonly #wanted: Filter;
  readonly #find: Find;
  readonly #most: number;
  readonly #over: () => void;
  #honoured: Filter = {};
  #session: LegacySession | undefined;

  /** `most` may listen in one session. `over` is called once it has ended, whoever ended it. */
  constructor(face: Face, wanted: Filter, find: Find, most: number, over: () => void) {
    this.#face = face;
    this.#wanted = wanted;
    this.#find = find;
    this.#most = most;
    this.#over = over;
    face.left = () => this.#stop();
  }

  /** The acknowledgement begins the stream, once everything is heard that it promises. With a refusal where nothing can be. */
  async begin(): Promise<Refusal | undefined> {
    const refusal = await this.#attach();
    if (refusal || this.#face.over) {
      this.#stop();
      return refusal;
    }
    this.#say({ method: 'notifications/subscriptions/acknowledged', params: { notifications: this.#honoured } });
    return undefined;
  }

  event(message: Message): void {
    if (this.#wants(message)) this.#say(message);
  }

  /** A session that was forgotten is begun anew, and what may have changed meanwhile is said to have. */
  lost(forgotten: boolean): void {
    this.#detach(!forgotten);
    if (!forgotten) return this.end();
    this.#attach().then(
      (refusal) => (refusal ? this.end() : this.#catchUp()),
      () => this.end(),
    );
  }

  /** Ends it in peace: the client may listen anew. */
  end(): void {
    this.#face.finish({ resultType: 'complete', _meta: { [SUBSCRIPTION_KEY]: this.#face.id } });
    this.#stop();
  }

  async #attach(): Promise<Refusal | undefined> {
    const session = await this.#find();
    if (!('listen' in session)) return session;
    if (session.listeners.size >= this.#most) {
      throw new GatewayError('OVERLOADED', 'too many clients listen in this session', { retryAfter: 30 });
    }
    session.listen(this);
    this.#session = session;
    const refusal = await session.stand();
    if (refusal) {
      this.#detach(false);
      return refusal;
    }
    const honoured = await this.#promise(session);
    // The client may have left, or the session been lost, while the server was asked.
    if (this.#session === session) this.#honoured = honoured;
    else unwatch(session, honoured);
    return undefined;
  }

  /** The part that this server can do. */
  async #promise(session: LegacySession): Promise<Filter> {
    const { capabilities } = session.server;
    const can = (name: string, what: string) => isObject(capabilities[name]) && capabilities[name][what] === true;
    const lists = (Object.keys(LISTS) as List[]).filter((key) => this.#wanted[key] && can(LISTS[key], 'listChanged'));
    const honoured = Object.fromEntries(lists.map((list) => [list, true])) as Filter;
    if (!this.#wanted.resourceSubscriptions || !can('resources', 'subscribe')) return honoured;
    const watched: string[] = [];
    for (const uri of this.#wanted.resourceSubscriptions) {
      if (await this.#watch(session, uri)) watched.push(uri);
    }
    return { ...honoured, resourceSubscriptions: watched };
  }

  /** A resource that the server won't watch is left out of what is promised. */
  #watch(session: LegacySession, uri: string): Promise<boolean> {
    return session.watch(uri).then(
      () => true,
      () => false,
    );
  }

  #wants({ method, params = {} }: Message): boolean {
    const { uri } = params;
    if (method === 'notifications/resources/updated') {
      // A server may name a part of what is watched (2025-11-25, Resources).
      return this.#honoured.resourceSubscriptions?.some((one) => isWithin(String(uri), one)) ?? false;
    }
    return (Object.keys(LISTS) as List[]).some(
      (list) => this.#honoured[list] && method === `notifications/${LISTS[list]}/list_changed`,
    );
  }

  #catchUp(): void {
    for (const list of Object.keys(LISTS) as List[])
      this.event({ method: `notifications/${LISTS[list]}/list_changed` });
    for (const uri of this.#honoured.resourceSubscriptions ?? []) {
      this.event({ method: 'notifications/resources/updated', params: { uri } });
    }
  }

  #say({ method, params }: Message): void {
    const meta = isObject(params?._meta) ? params._meta : {};
    const _meta = { ...meta, [SUBSCRIPTION_KEY]: this.#face.id };
    this.#face.notify({ jsonrpc: '2.0', method, params: { ...params, _meta } } as Message);
  }

  #stop(): void {
    this.#detach(true);
    this.#over();
  }

  #detach(tell: boolean): void {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    if (tell) unwatch(session, this.#honoured);
    this.#honoured = {};
    session.unlisten(this);
  }
}

function isWithin(uri: string, watched: string): boolean {
  if (!uri.startsWith(watched)) return false;
  return uri.length === watched.length || watched.endsWith('/') || /[/?#]/.test(uri.charAt(watched.length));
}

function unwatch(session: LegacySession, { resourceSubscriptions = [] }: Filter): void {
  for (const uri of resourceSubscriptions) session.unwatch(uri);
}
