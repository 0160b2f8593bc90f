import type { Exchange, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { acceptedReply, EventStream } from '../wire/messages.js';
import type { Carrying } from './channel.js';
import { Call, type CallOwner } from './channelFaceCall.js';
import type { FaceLimits } from './channelFaceLimits.js';
import { deliver, type Line, type LineHandlers } from './channelFaceLine.js';
import { cancellation, type Message, readAll, type Said } from './channelFaceMessage.js';
import { type Stream, Streams } from './channelFaceStream.js';

/** A session of the revisions up to 2025-11-25: one line to the server, which sees the client's own messages and ids. */
export class Session extends Deadline implements LineHandlers, CallOwner {
  readonly id: string;
  /** Whose it is, as a `scopeKey`. */
  readonly owner: string;
  readonly #limits: FaceLimits;
  readonly #gone: (session: Session) => void;
  readonly #streams: Streams;
  /** What belongs to no request: the GET stream. */
  readonly #standalone: Stream;
  readonly #calls = new Map<unknown, Call>();
  readonly #tokens = new Map<unknown, Call>();
  #line: Line | undefined;
  /** While the first request runs, its answer alone belongs to it. */
  #beginning: Call | undefined;
  #isBegun = false;
  #over = false;
  /** Of the monotonic clock. */
  #usedAt = 0;

  constructor(id: string, owner: string, limits: FaceLimits, gone: (session: Session) => void) {
    super();
    this.id = id;
    this.owner = owner;
    this.#limits = limits;
    this.#gone = gone;
    this.#streams = new Streams(limits.keepAliveMs);
    this.#standalone = this.#streams.make();
  }

  /** True where nobody would miss it at this moment. */
  get idle(): boolean {
    return this.#calls.size === 0 && !this.#standalone.read;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  /** Sends `initialize`. A session that the server refuses is over, and its answer carries no id. */
  begin(line: Line, carrying: Carrying): Promise<Reply> {
    this.#line = line;
    this.#use(carrying.exchange);
    const call = this.#call(carrying.exchange, [carrying.exchange.call?.id]);
    this.#beginning = call;
    this.#pass(carrying, call);
    return call.reply.finally(() => {
      this.#beginning = undefined;
      if (!this.#isBegun) void this.end();
    });
  }

  /** @throws GatewayError */
  post(carrying: Carrying): Reply | Promise<Reply> {
    this.#use(carrying.exchange);
    const { call } = carrying.exchange;
    if (call?.kind === 'batch') return this.#postBatch(carrying);
    if (call?.kind === 'request') return this.#postRequest(carrying);
    if (call?.method === 'notifications/cancelled') this.#cancelled(readAll(String(call.body))?.[0]?.read);
    return this.#accept(carrying);
  }

  /** GET: the stream of what belongs to no request, or the one that broke off behind `Last-Event-ID`. */
  listen(exchange: Exchange): Reply {
    this.#use(exchange);
    const reader = new EventStream();
    exchange.held = reader;
    const last = exchange.request.header('last-event-id');
    if (last === undefined || !this.#streams.resume(last, reader)) this.#standalone.attach(reader);
    return reader.reply();
  }

  /** Resolves once its line is closed. */
  async end(reason = new GatewayError('SESSION_LOST', 'the session was ended')): Promise<void> {
    if (this.#over) return;
    this.#finish(reason);
    await this.#line?.close();
  }

  closed(reason: GatewayError): void {
    if (!this.#over) this.#finish(reason);
  }

  said({ text, read }: Said): void {
    if (read.kind === 'response') this.#answered(text, read);
    else this.#route(text, read);
  }

  stream(): Stream {
    return this.#streams.make();
  }

  headers(): readonly string[] {
    return this.#beginning && this.#isBegun ? ['mcp-session-id', this.id] : [];
  }

  status(): number {
    return 200;
  }

  /** Whatever the revision makes of a connection that is gone: work that nobody waits for is to stop. */
  left(call: Call): void {
    if (call === this.#beginning) return void this.end();
    for (const id of call.ids) this.#tell(cancellation(JSON.stringify(id), 'the caller left'));
  }

  over(call: Call): void {
    for (const [id, running] of this.#calls) if (running === call) this.#calls.delete(id);
    for (const [token, running] of this.#tokens) if (running === call) this.#tokens.delete(token);
    if (!this.#over) this.expireIn(this.#limits.idleMs);
  }

  protected override expired(): void {
    if (this.idle) void this.end();
    else this.expireIn(this.#limits.idleMs);
  }

  #use({ startedAt }: Exchange): void {
    this.#usedAt = startedAt;
    this.expireIn(this.#limits.idleMs);
  }

  #finish(reason: GatewayError): void {
    this.#over = true;
    this.stopClock();
    this.#gone(this);
    for (const call of new Set(this.#calls.values())) call.fail(reason);
    this.#standalone.end();
  }

  #postRequest(carrying: Carrying): Promise<Reply> {
    const { body, id } = carrying.exchange.call ?? {};
    const call = this.#call(carrying.exchange, [id]);
    // Few requests ask for progress: only those are read once more.
    if (body?.includes('"progressToken"')) this.#expectProgress(call, readAll(body.toString())?.[0]?.read);
    this.#pass(carrying, call);
    return call.reply;
  }

  /** Servers behind a channel need know no batches: they get the messages one by one. */
  #postBatch(carrying: Carrying): Reply | Promise<Reply> {
    const all = readAll(String(carrying.exchange.call?.body)) ?? [];
    const requests = all.filter(({ read }) => read.kind === 'request');
    const call = requests.length > 0 ? this.#batch(carrying.exchange, requests) : undefined;
    for (const { text, read } of all) {
      if (read.method === 'notifications/cancelled') this.#cancelled(read);
      deliver(this.#line as Line, text, carrying, {
        refused: (reply) => call?.refuse(reply),
        failed: (error) => call?.fail(error),
      });
    }
    return call?.reply ?? acceptedReply();
  }

  #batch(exchange: Exchange, requests: readonly Said[]): Call {
    const ids = requests.map(({ read }) => read.id);
    if (new Set(ids).size < ids.length) throw new GatewayError('INVALID_REQUEST', 'an id stands twice in the batch');
    const call = this.#call(exchange, ids);
    for (const { read } of requests) this.#expectProgress(call, read);
    return call;
  }

  /** @throws GatewayError INVALID_REQUEST, OVERLOADED */
  #call(exchange: Exchange, ids: readonly unknown[]): Call {
    for (const id of ids) {
      if (id === undefined)
        throw new GatewayError('INVALID_REQUEST', 'the id is larger than 2^53 and would be rounded');
      if (this.#calls.has(id)) throw new GatewayError('INVALID_REQUEST', 'a request with that id is still running');
    }
    if (this.#calls.size + ids.length > this.#limits.calls) {
      throw new GatewayError('OVERLOADED', 'the session has too many requests running', { retryAfter: 1 });
    }
    const call = new Call(exchange, this, ids, this.#limits.firstByteMs);
    for (const id of ids) this.#calls.set(id, call);
    return call;
  }

  #expectProgress(call: Call, read: Message | undefined): void {
    if (read?.token !== undefined) this.#tokens.set(read.token, call);
  }

  #pass(carrying: Carrying, call: Call): void {
    deliver(this.#line as Line, carrying.exchange.call?.body ?? '', carrying, {
      refused: (reply) => call.refuse(reply),
      failed: (error) => call.fail(error),
    });
  }

  #accept(carrying: Carrying): Reply | Promise<Reply> {
    const sent = (this.#line as Line).send(carrying.exchange.call?.body ?? '', carrying);
    return sent ? sent.then((reply) => reply ?? acceptedReply()) : acceptedReply();
  }

  #tell(text: string): void {
    if (!this.#over) deliver(this.#line as Line, text, undefined, { failed: () => {} });
  }

  #cancelled(read: Message | undefined): void {
    this.#calls.get(read?.cancels)?.cancel(read?.cancels);
    this.#calls.delete(read?.cancels);
  }

  #answered(text: string, read: Message): void {
    const call = this.#calls.get(read.id);
    if (!call) return;
    this.#calls.delete(read.id);
    if (call === this.#beginning) this.#isBegun = read.errorCode === undefined;
    call.answer(read.id, text, read.errorCode);
  }

  /** One message goes to exactly one stream (2025-11-25, Streamable HTTP). */
  #route(text: string, read: Message): void {
    const call = this.#tokens.get(read.token) ?? this.#related(read);
    if (call) call.relate(text);
    else this.#standalone.send(text);
  }

  /** A channel doesn't say to which request the server's own requests belong; with one that runs there is no doubt. */
  #related(read: Message): Call | undefined {
    const running = [...new Set(this.#calls.values())].filter((call) => call.isAwaited && call !== this.#beginning);
    if (read.kind === 'request' && running.length === 1) return running[0];
    return this.#standalone.read ? undefined : running.at(-1);
  }
}
