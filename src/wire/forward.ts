import type { Dispatcher } from 'undici';
import type { Deadlines, Exchange, Flow, HeaderLines, Reply, Sink } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { atTurnsEnd, type Due } from '../core/turn.js';
import { callerLeft, explainUpstreamError } from './explain.js';
import { type FieldNames, isEventStream, responseLines } from './headers.js';
import { placeOf } from './paths.js';

/** One request as it goes out. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: HeaderLines;
  readonly body: Buffer | null;
  /** Told what to let go of while the answer is on its way. */
  readonly caller: Pick<Exchange, 'gone' | 'held'>;
  readonly deadlines: Deadlines;
  readonly names: FieldNames;
}

/**
 * Sends a request and resolves with the head of the answer. Bytes are passed on as they come; a sink that is full
 * stops the socket. When the caller leaves, the upstream's socket is closed at once.
 * @throws GatewayError `neverSent` tells whether the upstream can have seen the request.
 */
export function forward(dispatcher: Dispatcher, outgoing: Outgoing): Promise<Reply> {
  if (outgoing.caller.gone) return Promise.reject(callerLeft());
  return new Promise((resolve, reject) => {
    const { url, method, headers, body } = outgoing;
    const { origin, path } = placeOf(url);
    const request = {
      origin,
      path,
      method: method as Dispatcher.HttpMethod,
      headers: headers as string[],
      body,
      // `Forwarding` counts itself: undici would make a timer for each, and event streams may be silent for hours.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    dispatcher.dispatch(request, new Forwarding(outgoing, { resolve, reject }));
  });
}

interface Promised {
  resolve(answer: Reply): void;
  reject(error: GatewayError): void;
}

/** Early bytes past this stop the socket until there is a sink. */
const EARLY_BYTES = 64 * 1024;
/** Shared by all that have nothing yet: never written to. */
const NOTHING: Buffer[] = [];

/** undici's first set of callbacks: its second one parses every header into an object, and keeps the raw ones until the end (ADR 7). */
class Forwarding extends Deadline implements Dispatcher.DispatchHandler, Flow, Due {
  readonly #deadlines: Deadlines;
  readonly #names: FieldNames;
  readonly #url: URL;
  /** Until the head is there or can't come: what is promised would else be held as long as the stream lives. */
  #promised: Promised | undefined;
  #reply: Reply | undefined;
  /** This, and the sink, are let go of as soon as they are done with: what holds them on costs the collector dearly. */
  #caller: Outgoing['caller'] | undefined;
  #abort: ((error: Error) => void) | undefined;
  #proceed: (() => void) | undefined;
  #paused = false;
  #answered = false;
  #cancelled = false;
  #isEventStream = false;
  #sink: Sink | undefined;
  /** What came before there was a sink: what one read of the socket brought. */
  #early: Buffer[] = NOTHING;
  #earlyBytes = 0;
  #ended = false;
  #failure: Error | undefined;

  constructor(outgoing: Outgoing, promised: Promised) {
    super();
    this.#deadlines = outgoing.deadlines;
    this.#names = outgoing.names;
    this.#url = outgoing.url;
    this.#caller = outgoing.caller;
    this.#promised = promised;
    // Not a closure: one that is assigned to a property is born old, and everything it holds grows old with it.
    outgoing.caller.held = this;
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    this.expireIn(this.#deadlines.firstByteMs);
    if (this.#cancelled) abort(callerLeft());
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    // 1xx heads announce the answer, they aren't it.
    if (status < 200) return true;
    this.#answered = true;
    this.#proceed = resume;
    this.stopClock();
    const headers = responseLines(raw, this.#names);
    this.#isEventStream = isEventStream(headers);
    this.#reply = { status, headers, body: (sink) => this.#attach(sink), origin: 'upstream' };
    atTurnsEnd(this);
    return true;
  }

  /** By now everything is here that came together with the head: a small answer is whole. */
  run(): void {
    this.#promised?.resolve(this.#reply as Reply);
    this.#promised = undefined;
    this.#reply = undefined;
  }

  onData(chunk: Buffer): boolean {
    if (!this.#sink) {
      if (this.#early === NOTHING) this.#early = [chunk];
      else this.#early.push(chunk);
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > EARLY_BYTES) this.#pause();
    } else if (!this.#sink.write(chunk)) {
      this.#pause();
    } else if (!this.#isEventStream) {
      this.expireIn(this.#deadlines.idleMs);
    }
    return !this.#paused;
  }

  onComplete(): void {
    this.#finish();
  }

  onError(error: Error): void {
    this.#failure = error;
    if (this.#answered) this.#finish();
    else {
      this.#release();
      const neverSent = this.#abort === undefined;
      this.#fail(this.#cancelled ? callerLeft() : explainUpstreamError(error, this.#url.origin, neverSent));
    }
  }

  resume(): void {
    if (!this.#isEventStream && !this.#ended) this.expireIn(this.#deadlines.idleMs);
    if (!this.#paused) return;
    this.#paused = false;
    this.#proceed?.();
  }

  /** The upstream isn't silent then, it is being held: a slow reader must not be counted against it. */
  #pause(): void {
    this.stopClock();
    this.#paused = true;
  }

  cancel(): void {
    this.#cancelled = true;
    // Still connecting: undici drops the request when it would start, the caller needn't wait for that.
    if (this.#abort) this.#abort(callerLeft());
    else this.#fail(callerLeft());
  }

  override expired(): void {
    const what = this.#answered ? 'fell silent' : 'did not answer';
    const ms = this.#answered ? this.#deadlines.idleMs : this.#deadlines.firstByteMs;
    this.#abort?.(new GatewayError('UPSTREAM_TIMEOUT', `${this.#url.origin} ${what} within ${ms} ms`));
  }

  /** A small answer is whole by now, and leaves in one go. */
  #attach(sink: Sink): Flow {
    this.#sink = sink;
    const last = this.#ended && !this.#failure ? this.#early.pop() : undefined;
    let ready = true;
    for (const chunk of this.#early) ready = sink.write(chunk);
    this.#early = NOTHING;
    if (this.#ended) this.#deliverEnd(last);
    else if (ready) this.resume();
    else this.#pause();
    return this;
  }

  #fail(error: GatewayError): void {
    this.#promised?.reject(error);
    this.#promised = undefined;
  }

  #finish(): void {
    this.#release();
    this.#ended = true;
    if (this.#sink) this.#deliverEnd();
  }

  #deliverEnd(last?: Buffer): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (this.#failure) sink?.fail(this.#failure);
    else sink?.end(last);
  }

  #release(): void {
    this.stopClock();
    if (this.#caller) this.#caller.held = undefined;
    this.#caller = undefined;
  }
}
