import type { Clock, Door, Handler, HeaderLines, Reply } from '../contracts.js';
import { Running } from '../core/async.js';
import { callerLeft } from '../wire/explain.js';
import type { RequestIds } from './exchanges.js';
import { Call, type CallDeps } from './messageCallerCall.js';
import { Courier, lastText } from './messageCallerCourier.js';
import { Healing } from './messageCallerHealing.js';
import { Mirror } from './messageCallerModern.js';
import { failureText, oneLine, readSaid, type Said, unreadableText } from './messageCallerSaid.js';
import { LegacySession } from './messageCallerSession.js';
import { FollowedStream } from './messageCallerStream.js';
import { Patience } from './messageCallerTrouble.js';

/** What a door without Streamable HTTP is a client of the house by. */
export interface MessageCallerDeps {
  /** The door's compiled chain. */
  readonly handler: Handler;
  readonly door: Door;
  readonly clock: Clock;
  readonly ids: RequestIds;
  /** `/mcp`, or `/mcp/<destination>`; a query may follow. */
  readonly target: string;
  /** What every exchange says besides its own lines. What belongs to one message only (`accept`, `mcp-session-id` …) is left out. */
  readonly headers: HeaderLines;
  readonly remoteAddress: string;
  /** One JSON-RPC message, or a batch, for the caller: a single line. */
  deliver(text: string): void;
  /** True: sessions that the server lost are begun anew and a server that restarts is waited for, unseen by the caller. */
  readonly heal: boolean;
  /**
   * So long after the last thing that was told of a call comes its answer. The SDKs forget what a call's progress means once
   * its answer is read, and read all that has come in one piece before they tell of any of it: where the way to the caller
   * has no messages but only bytes, time alone keeps them apart. Milliseconds.
   */
  readonly apartMs: number;
  /**
   * What becomes of a 401 or 403. `deliver` (the default): a JSON-RPC error for the caller. `answer`: `receive` resolves
   * with the reply, and nothing is delivered, so that the door can show its challenge.
   */
  readonly refusals?: 'deliver' | 'answer';
}

/** `apartMs` for a caller that reads bytes. One whose processor is busy reads no sooner. Milliseconds. */
export const APART_MS = 40;
/** More than any client has under way; past that a call is refused at once. */
const MOST_CALLS = 4096;
/** A notification or response overtakes the one before it only if that takes so long. Milliseconds. */
const IN_TURN_MS = 2_000;
/** The longest pause between two tries to open the stream of a server that is away. Milliseconds. */
const STREAM_PAUSE_MS = 10_000;
/** For the DELETE that ends the session. Milliseconds. */
const FAREWELL_MS = 2_000;

/** The client side of Streamable HTTP, for a caller that has only messages. Holds one caller's session and streams. */
export class MessageCaller {
  readonly #deps: MessageCallerDeps;
  readonly #courier: Courier;
  readonly #session = new LegacySession();
  readonly #mirror = new Mirror();
  readonly #healing: Healing;
  readonly #callDeps: CallDeps;
  readonly #closing = new AbortController();
  readonly #running = new Running();
  readonly #calls = new Set<Call>();
  readonly #byId = new Map<string | number, Call>();
  /** `initialize` and `notifications/initialized` come before whatever was said after them. */
  #first: Promise<unknown> | undefined = undefined;
  /** The notification or response that was said last. */
  #previous: Promise<unknown> | undefined = undefined;
  #stream: FollowedStream | undefined = undefined;

  constructor(deps: MessageCallerDeps) {
    const { clock, heal, refusals = 'deliver', apartMs } = deps;
    this.#deps = deps;
    this.#courier = new Courier(deps);
    const deliver = (text: string) => this.#deliver(text);
    const common = { courier: this.#courier, session: this.#session, clock, closing: this.#closing.signal, deliver };
    this.#healing = new Healing({ ...common, renewed: () => this.#listen() });
    this.#callDeps = {
      ...common,
      healing: this.#healing,
      heal,
      refusals,
      apartMs,
      linesOf: (said) => (said.call.era === 'modern' ? this.#mirror.lines(said) : this.#session.lines),
      answered: (said, text) => this.#answered(said, text),
      relist: (said) => this.#mirror.relist(said, this.#courier),
    };
  }

  /**
   * Takes one message of the caller; never rejects. Resolves when the head of its answer is there (for a call that takes
   * long, that is late: a door that must answer at once doesn't wait for it). Undefined: everything that there was
   * to say was or will be delivered. A reply: a refusal for the door to answer with; see `refusals`.
   * `headers` stand in the place of those of the deps for this message.
   */
  receive(text: string, headers?: HeaderLines): Promise<Reply | undefined> {
    if (this.#closing.signal.aborted) return Promise.resolve(undefined);
    let said: Said;
    try {
      said = readSaid(text, this.#session.revision);
    } catch (failure) {
      this.#deps.deliver(unreadableText(failure));
      return Promise.resolve(undefined);
    }
    if (said.call.method === 'notifications/cancelled') return this.#cancel(said, headers);
    if (this.#calls.size >= MOST_CALLS) return this.#refuse(said);
    return this.#take(said, headers);
  }

  /** Takes nothing more, lets what is under way end for `drainMs`, ends the session and lets go of everything. */
  async close(drainMs = 0): Promise<void> {
    if (this.#closing.signal.aborted) return;
    if (drainMs > 0) await this.#within(drainMs, this.#running.idle());
    this.#closing.abort(callerLeft());
    for (const call of this.#calls) call.leave();
    this.#stream?.leave();
    await this.#farewell();
  }

  #take(said: Said, headers: HeaderLines | undefined): Promise<Reply | undefined> {
    const { kind, method } = said.call;
    const turn = kind === 'request' || kind === 'batch' ? undefined : this.#previous;
    const taken = this.#inTurn(said, headers, turn);
    if (kind === 'notification' || kind === 'response') {
      this.#previous = taken;
      void taken.then(() => {
        if (this.#previous === taken) this.#previous = undefined;
      });
    }
    if (method !== 'initialize' && method !== 'notifications/initialized') return taken;
    this.#first = taken;
    return taken.finally(() => {
      if (this.#first === taken) this.#first = undefined;
    });
  }

  #inTurn(
    said: Said,
    headers: HeaderLines | undefined,
    turn: Promise<unknown> | undefined,
  ): Promise<Reply | undefined> {
    const before = this.#first;
    if (!before && !turn) return this.#call(said, headers);
    return Promise.all([before, turn && this.#within(IN_TURN_MS, turn)]).then(() => this.#call(said, headers));
  }

  #call(said: Said, headers: HeaderLines | undefined): Promise<Reply | undefined> {
    const { method, kind, id, era } = said.call;
    if (method === 'initialize' && era === 'legacy') this.#begin(said);
    return new Promise((resolve) => {
      const call = new Call(said, headers, this.#callDeps, resolve);
      this.#calls.add(call);
      if (kind === 'request' && id !== undefined) this.#byId.set(id, call);
      this.#running.enter();
      void call.run().then(() => this.#over(call));
    });
  }

  #over(call: Call): void {
    const { id, method } = call.said.call;
    this.#calls.delete(call);
    if (id !== undefined && this.#byId.get(id) === call) this.#byId.delete(id);
    this.#running.leave();
    if (method !== 'notifications/initialized' || this.#closing.signal.aborted) return;
    this.#session.initialized = call.said;
    if (this.#session.revision !== undefined) this.#listen();
  }

  #begin(said: Said): void {
    this.#stream?.leave();
    this.#stream = undefined;
    this.#session.begin(said);
  }

  /** A cancelled call of 2026-07-28 is one whose stream is closed; an older server is told, and then left as well. */
  async #cancel(said: Said, headers: HeaderLines | undefined): Promise<Reply | undefined> {
    const { requestId } = said.params;
    const call = this.#byId.get(requestId as string | number);
    call?.cancel();
    if (call?.said.call.era === 'modern') call.leave();
    if (call?.said.call.era === 'modern' || !this.#session.initialize) return undefined;
    const refusal = await this.#take(said, headers);
    call?.leave();
    return refusal;
  }

  #refuse(said: Said): Promise<undefined> {
    const message = `more than ${MOST_CALLS} calls are under way`;
    const text = failureText(said, { code: 'OVERLOADED', message, hint: 'Wait for some of them to be answered.' });
    if (text !== undefined) this.#deps.deliver(text);
    return Promise.resolve(undefined);
  }

  #deliver(text: string): void {
    if (!this.#closing.signal.aborted) this.#deps.deliver(oneLine(text));
  }

  #answered(said: Said, text: string): void {
    const { era, method } = said.call;
    if (era === 'legacy') this.#session.note(said);
    else if (method === 'tools/list') this.#mirror.learn(text);
  }

  /** Opens the stream on which the server speaks unasked, where it has one. */
  #listen(): void {
    this.#stream?.leave();
    const patience = new Patience(this.#deps.clock, this.#closing.signal, Number.POSITIVE_INFINITY, STREAM_PAUSE_MS);
    const message = (text: string) => this.#deliver(text);
    const stream = new FollowedStream({ courier: this.#courier, session: this.#session, patience, message });
    this.#stream = stream;
    const { generation } = this.#session;
    const follow = async () => {
      const end = await stream.follow();
      if (end === 'lost' && this.#deps.heal && this.#stream === stream) await this.#healing.heal(generation);
    };
    // Nobody waits for it: the next call finds out what went wrong.
    follow().catch(() => {});
  }

  async #farewell(): Promise<void> {
    const { lines, id } = this.#session;
    if (id === undefined) return;
    const exchange = this.#courier.delete({ lines });
    await this.#within(
      FAREWELL_MS,
      this.#courier.send(exchange).then((reply) => lastText(exchange, reply)),
    );
    exchange.leave(callerLeft());
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const late = new AbortController();
    const over = this.#deps.clock.sleep(ms, late.signal).catch(() => {});
    await Promise.race([work, over]);
    late.abort();
  }
}
