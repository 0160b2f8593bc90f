import type { Attempt, Clock, Exchange, Reply, Upstream } from '../contracts.js';
import { METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { derive, type OpenExchange, type OwnMessage } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { isEventStream } from '../wire/headers.js';
import { ParamHeaders } from '../wire/mirror.js';
import { answerTo, letGo, type Refusal, readRefusal } from './modernToLegacyAnswers.js';
import { isInput, undeclared } from './modernToLegacyInputs.js';
import { writeJson } from './modernToLegacyJson.js';
import type { Client, Json, Message, Server } from './modernToLegacyMessages.js';
import { LegacyStream, StreamRefused } from './modernToLegacyStream.js';

/** On whose behalf something is sent, and with which credential. */
export interface Way {
  readonly exchange: Exchange;
  readonly attempt: Attempt;
}

/** A call that runs in a session. */
export interface Running {
  readonly id: number;
  readonly client: Client;
  /** True where the caller may be asked something. */
  readonly asks: boolean;
  /** True while nobody waits for it: its caller is thinking. */
  readonly parked: boolean;
  answered(message: Message): void;
  /** The server asks for something. */
  asked(message: Message): void;
  /** True where the question was this call's, and is taken back. */
  withdrawn(requestId: unknown): boolean;
  notified(message: Message): void;
  progressed(message: Message): void;
}

/** Who hears what isn't about one call. */
export interface Listener {
  event(message: Message): void;
  /** The session is gone: the server forgot it, or it can't be heard any more. */
  lost(forgotten: boolean): void;
}

export interface SessionOptions {
  readonly key: string;
  readonly owner: string;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly way: Way;
  /** The session has something to do, or no longer. */
  readonly used: (session: LegacySession) => void;
}

/** So long the head of the GET is waited for. Milliseconds. */
const STANDING_MS = 1_000;
/** Notifications of older revisions that have no place in 2026-07-28. */
const REMOVED = /^notifications\/(?:elicitation\/complete$|tasks\/)/;

interface Standing {
  readonly stream: LegacyStream;
  readonly head: Promise<Refusal | undefined>;
  /** True once it is there, or was waited for in vain: no second call waits for it. */
  waited: boolean;
}

/** One session with a server of the older revisions: what is sent in it, and what comes back and whose it is. */
export class LegacySession {
  readonly key: string;
  readonly owner: string;
  readonly listeners = new Set<Listener>();
  /** What its tools want to see in headers: nobody but the bridge can check them. */
  readonly headers = new ParamHeaders();
  /** Of the last call: what is said on nobody's behalf goes its way. */
  way: Way;
  server: Server = { revision: '', capabilities: {}, info: undefined, instructions: undefined };
  /** True once the server forgot it, or it was ended. */
  over = false;
  id: string | undefined;
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #used: SessionOptions['used'];
  readonly #calls = new Map<number, Running>();
  readonly #watched = new Map<string, { count: number; readonly granted: Promise<Json> }>();
  #ids = 0;
  #standing: Standing | undefined;
  /** The GET that carries it at the moment. */
  #getting: OpenExchange | undefined;
  #standingWorks: boolean | undefined;

  constructor({ key, owner, upstream, clock, way, used }: SessionOptions) {
    this.key = key;
    this.owner = owner;
    this.way = way;
    this.#upstream = upstream;
    this.#clock = clock;
    this.#used = used;
  }

  get idle(): boolean {
    return this.#calls.size === 0 && this.listeners.size === 0;
  }

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  add(call: Running): void {
    this.#calls.set(call.id, call);
    this.#used(this);
  }

  remove(call: Running): void {
    this.#calls.delete(call.id);
    this.#used(this);
  }

  listen(listener: Listener): void {
    this.listeners.add(listener);
    this.#used(this);
  }

  unlisten(listener: Listener): void {
    this.listeners.delete(listener);
    this.#used(this);
  }

  /** An exchange of ours in this session; `send` sends it. */
  exchange(message: Omit<OwnMessage, 'headers'>, lastEventId?: string, way = this.way): OpenExchange {
    const headers: string[] = [];
    if (this.id !== undefined) headers.push('mcp-session-id', this.id);
    if (this.server.revision !== '') headers.push('mcp-protocol-version', this.server.revision);
    if (lastEventId !== undefined) headers.push('last-event-id', lastEventId);
    return derive(way.exchange, { ...message, headers }, this.#clock);
  }

  send(exchange: OpenExchange, way = this.way): Promise<Reply> {
    return this.#upstream.send(exchange, way.attempt);
  }

  post(message: Json, way = this.way): Promise<Reply> {
    return this.send(this.exchange({ method: 'POST', message: writeJson(message) }, undefined, way), way);
  }

  /** A notification or a response that nobody waits for: a server that can't be told will find out. */
  say(message: Json): void {
    this.post({ jsonrpc: '2.0', ...message }).then(letGo, () => {});
  }

  /** A request of our own. Rejects where no result came. */
  async ask(method: string, params: Json, way = this.way): Promise<Json> {
    const id = this.nextId();
    const reply = await this.post({ jsonrpc: '2.0', id, method, params }, way);
    const answer = await answerTo(reply, id, (message) => this.receive(message));
    if (!answer?.result) throw new Error(`the server answers ${reply.status} to ${method}`);
    return answer.result;
  }

  /**
   * Opens the stream on which the server says what belongs to no call, where it has one. Resolves once it stands, or
   * after a moment: some servers send no head before there is an event. With a refusal that says nothing about what
   * the server has: a 401, or a 503.
   */
  async stand(): Promise<Refusal | undefined> {
    if (this.#standingWorks === false || this.over) return undefined;
    this.#standing ??= this.#openStanding();
    const standing = this.#standing;
    if (standing.waited) return undefined;
    const waiting = new AbortController();
    const late = this.#clock.sleep(STANDING_MS, waiting.signal).catch(() => {});
    const refusal = await Promise.race([standing.head, late]);
    waiting.abort();
    standing.waited = true;
    return refusal ?? undefined;
  }

  /** Counts who watches; the first one subscribes. Rejects where the server refuses. */
  async watch(uri: string): Promise<void> {
    const watched = this.#watched.get(uri) ?? { count: 0, granted: this.ask('resources/subscribe', { uri }) };
    watched.count += 1;
    this.#watched.set(uri, watched);
    try {
      await watched.granted;
    } catch (error) {
      if (this.#watched.get(uri) === watched) this.#watched.delete(uri);
      throw error;
    }
  }

  /** The last one unsubscribes. */
  unwatch(uri: string): void {
    const watched = this.#watched.get(uri);
    if (!watched) return;
    watched.count -= 1;
    if (watched.count > 0) return;
    this.#watched.delete(uri);
    if (!this.over) this.ask('resources/unsubscribe', { uri }).catch(() => {});
  }

  /** Whatever a stream of this session brought; `from` is the call whose stream it was. */
  receive(message: Message, from?: Running): void {
    const { method, id } = message;
    if (method === undefined) this.#calls.get(id as number)?.answered(message);
    else if (id !== undefined) this.#requested(message, method, from);
    else this.#notified(message, method, from);
  }

  /** The server forgot it, or nothing can be heard from it any more: whoever listens must begin anew. */
  lose(forgotten: boolean): void {
    if (forgotten) this.over = true;
    this.#fall();
    for (const listener of [...this.listeners]) listener.lost(forgotten);
  }

  /** Ends it, at the server too. */
  async end(): Promise<void> {
    if (this.over) return;
    this.over = true;
    this.#fall();
    if (this.id === undefined) return;
    await this.send(this.exchange({ method: 'DELETE' })).then(letGo, () => {});
  }

  #fall(): void {
    this.#standing?.stream.close();
    this.#standing = undefined;
    this.#getting?.leave(callerLeft());
  }

  #get(lastEventId: string | undefined): Promise<Reply> {
    this.#getting = this.exchange({ method: 'GET' }, lastEventId);
    return this.send(this.#getting);
  }

  #openStanding(): Standing {
    const stream = new LegacyStream(
      {
        message: (message) => this.receive(message),
        over: (reason) => this.#standingEnded(reason),
        reopen: (lastEventId) => this.#get(lastEventId),
      },
      this.#clock,
      true,
    );
    const head = this.#get(undefined).then(
      (reply) => this.#standingBegun(stream, reply),
      () => {
        this.#standing = undefined;
        return undefined;
      },
    );
    return { stream, head, waited: false };
  }

  async #standingBegun(stream: LegacyStream, reply: Reply): Promise<Refusal | undefined> {
    if (reply.status === 200 && isEventStream(reply.headers)) {
      this.#standingWorks = true;
      stream.read(reply);
      return undefined;
    }
    this.#standing = undefined;
    // What was never there isn't lost with a 404.
    const isAbsent = reply.status === 404 || reply.status === 405 || reply.status === 200;
    if (isAbsent) this.#standingWorks ??= false;
    const refusal = await readRefusal(reply);
    return isAbsent ? undefined : refusal;
  }

  #standingEnded(reason?: Error): void {
    this.#standing = undefined;
    this.lose(reason instanceof StreamRefused && (reason.status === 404 || reason.status === 400));
  }

  #requested(message: Message, method: string, from: Running | undefined): void {
    const { id } = message;
    if (method === 'ping') return this.say({ id, result: {} });
    const call = isInput(method) ? this.#askable(from) : undefined;
    if (call && undeclared(message, call.client.capabilities) === undefined) return call.asked(message);
    this.say({ id, error: { code: METHOD_NOT_FOUND, message: `the client can't be asked for ${method} now` } });
  }

  /** A question on the standing stream names no call: the youngest that somebody waits for is taken, all are one caller's. */
  #askable(from: Running | undefined): Running | undefined {
    if (from) return from.asks ? from : undefined;
    const asking = [...this.#calls.values()].filter((call) => call.asks).reverse();
    return asking.find((call) => !call.parked) ?? asking[0];
  }

  #notified(message: Message, method: string, from: Running | undefined): void {
    if (method === 'notifications/progress') {
      this.#calls.get(message.params?.progressToken as number)?.progressed(message);
    } else if (method === 'notifications/cancelled') {
      for (const call of this.#calls.values()) if (call.withdrawn(message.params?.requestId)) return;
    } else if (method === 'notifications/message') {
      const call = from ?? [...this.#calls.values()].reverse().find((running) => !running.parked);
      call?.notified(message);
    } else if (/^notifications\/(?:\w+\/list_changed|resources\/updated)$/.test(method)) {
      for (const listener of this.listeners) listener.event(message);
    } else if (!REMOVED.test(method)) from?.notified(message);
  }
}
