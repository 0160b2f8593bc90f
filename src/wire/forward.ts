import type { Dispatcher } from 'undici';
import type { Deadlines, Exchange, Flow, HeaderLines, Reply, Sink } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { callerLeft, explainUpstreamError } from './explain.js';
import { type FieldNames, isEventStream, responseLines } from './headers.js';

/** One request as it goes out. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: HeaderLines;
  readonly body: Buffer | null;
  /** Told what lets go of the upstream while the answer is on its way. */
  readonly caller: Pick<Exchange, 'gone' | 'release'>;
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
    const request = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as Dispatcher.HttpMethod,
      headers: headers as string[],
      body,
      // `Forwarding` counts itself: undici would make a timer for each, and event streams may be silent for hours.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    dispatcher.dispatch(request, new Forwarding(outgoing, resolve, reject));
  });
}

/** Early bytes past this stop the socket until there is a sink. */
const EARLY_BYTES = 64 * 1024;

class Forwarding implements Dispatcher.DispatchHandler, Flow {
  readonly #deadlines: Deadlines;
  readonly #names: FieldNames;
  readonly #url: URL;
  readonly #resolve: (answer: Reply) => void;
  readonly #reject: (error: GatewayError) => void;
  /** This, and the sink, are let go of as soon as they are done with: what holds them on costs the collector dearly. */
  #caller: Outgoing['caller'] | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #answered = false;
  #cancelled = false;
  #isEventStream = false;
  #sink: Sink | undefined;
  /** What came before there was a sink: what one read of the socket brought. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #ended = false;
  #failure: Error | undefined;
  /** Until the head comes, then between two chunks. */
  #deadline: NodeJS.Timeout | undefined;

  constructor(outgoing: Outgoing, resolve: (answer: Reply) => void, reject: (error: GatewayError) => void) {
    this.#deadlines = outgoing.deadlines;
    this.#names = outgoing.names;
    this.#url = outgoing.url;
    this.#caller = outgoing.caller;
    this.#resolve = resolve;
    this.#reject = reject;
    outgoing.caller.release = () => this.cancel();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#expireIn(this.#deadlines.firstByteMs, 'did not answer');
    if (this.#cancelled) controller.abort(callerLeft());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // 1xx heads announce the answer, they aren't it.
    if (status < 200) return;
    this.#answered = true;
    this.#stopClock();
    const headers = responseLines((controller.rawHeaders ?? []) as Buffer[], this.#names);
    this.#isEventStream = isEventStream(headers);
    this.#resolve({ status, headers, body: (sink) => this.#attach(sink), origin: 'upstream' });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#sink) {
      this.#early.push(chunk);
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > EARLY_BYTES) this.#pause();
    } else if (this.#sink.write(chunk)) {
      this.#deadline?.refresh();
    } else {
      this.#pause();
    }
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#failure = error;
    if (this.#answered) this.#finish();
    else {
      this.#release();
      const neverSent = this.#controller === undefined;
      this.#reject(this.#cancelled ? callerLeft() : explainUpstreamError(error, this.#url.origin, neverSent));
    }
  }

  resume(): void {
    this.#watchIdle();
    this.#controller?.resume();
  }

  /** The upstream isn't silent then, it is being held: a slow reader must not be counted against it. */
  #pause(): void {
    this.#stopClock();
    this.#controller?.pause();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#controller?.abort(callerLeft());
    // Still connecting: undici drops the request when it would start, the caller needn't wait for that.
    if (!this.#controller) this.#reject(callerLeft());
  }

  /** A small answer is whole by now, and leaves in one go; a timer is for those that aren't. */
  #attach(sink: Sink): Flow {
    this.#sink = sink;
    const last = this.#ended && !this.#failure ? this.#early.pop() : undefined;
    let ready = true;
    for (const chunk of this.#early) ready = sink.write(chunk);
    this.#early = [];
    if (this.#ended) this.#deliverEnd(last);
    else if (ready) this.resume();
    else this.#pause();
    return this;
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

  #watchIdle(): void {
    if (!this.#isEventStream && !this.#ended) this.#expireIn(this.#deadlines.idleMs, 'fell silent');
  }

  #expireIn(ms: number, what: string): void {
    this.#stopClock();
    this.#deadline = setTimeout(() => {
      this.#controller?.abort(new GatewayError('UPSTREAM_TIMEOUT', `${this.#url.origin} ${what} within ${ms} ms`));
    }, ms);
  }

  /** Forgotten, not only cleared: refreshing a cleared timer would start it again. */
  #stopClock(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  #release(): void {
    this.#stopClock();
    if (this.#caller) this.#caller.release = undefined;
    this.#caller = undefined;
  }
}
