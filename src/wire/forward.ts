import type { Dispatcher } from 'undici';
import type { Deadlines, Flow, HeaderLines, Sink } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import { headerValue, responseLines } from './headers.js';

/** One request as it goes out. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: HeaderLines;
  readonly body: Buffer | null;
  readonly signal: AbortSignal;
  readonly deadlines: Deadlines;
}

/** The head of an answer, and its body still on the way. */
export interface Answer {
  readonly status: number;
  readonly headers: string[];
  readonly body: (sink: Sink) => Flow;
}

/**
 * Sends a request and resolves with the head of the answer. Bytes are passed on as they come; a sink that is full
 * stops the socket. When the signal aborts, the upstream's socket is closed at once.
 * @throws GatewayError `neverSent` tells whether the upstream can have seen the request.
 */
export function forward(dispatcher: Dispatcher, outgoing: Outgoing): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { url, method, headers, body, deadlines } = outgoing;
    const forwarding = new Forwarding(outgoing, resolve, reject);
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: method as Dispatcher.HttpMethod,
        headers: headers as string[],
        body,
        headersTimeout: deadlines.firstByteMs,
        // Event streams may be silent for hours, and whether this is one isn't known yet: `Forwarding` counts.
        bodyTimeout: 0,
      },
      forwarding,
    );
  });
}

class Forwarding implements Dispatcher.DispatchHandler, Flow {
  readonly #outgoing: Outgoing;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: GatewayError) => void;
  readonly #leave = () => this.cancel();
  #controller: Dispatcher.DispatchController | undefined;
  #answered = false;
  #cancelled = false;
  #sink: Sink | undefined;
  /** What came before there was a sink: at most what one read of the socket brought. */
  #early: Buffer[] = [];
  #end: { failure?: Error } | undefined;
  #idle: NodeJS.Timeout | undefined;
  #mayIdle = true;

  constructor(outgoing: Outgoing, resolve: (answer: Answer) => void, reject: (error: GatewayError) => void) {
    this.#outgoing = outgoing;
    this.#resolve = resolve;
    this.#reject = reject;
    outgoing.signal.addEventListener('abort', this.#leave, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled) controller.abort(left());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // 1xx heads announce the answer, they aren't it.
    if (status < 200) return;
    this.#answered = true;
    const headers = responseLines((controller.rawHeaders ?? []) as Buffer[]);
    this.#mayIdle = headerValue(headers, 'content-type')?.startsWith('text/event-stream') === true;
    this.#watchIdle();
    this.#resolve({ status, headers, body: (sink) => this.#attach(sink) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#sink?.write(chunk)) {
      this.#idle?.refresh();
      return;
    }
    if (!this.#sink) this.#early.push(chunk);
    // The upstream isn't silent, it is being held: a slow reader must not be counted against it.
    clearTimeout(this.#idle);
    controller.pause();
  }

  onResponseEnd(): void {
    this.#finish({});
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#answered) {
      this.#finish({ failure: error });
      return;
    }
    this.#release();
    this.#reject(this.#cancelled ? left() : explain(error, this.#outgoing.url, this.#controller === undefined));
  }

  resume(): void {
    this.#watchIdle();
    this.#controller?.resume();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#controller?.abort(left());
    // Still connecting: undici drops the request when it would start, the caller needn't wait for that.
    if (!this.#controller) this.#reject(left());
  }

  #attach(sink: Sink): Flow {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    let ready = true;
    for (const chunk of early) ready = sink.write(chunk);
    if (this.#end) this.#deliverEnd();
    else if (ready && early.length > 0) this.resume();
    return this;
  }

  #finish(end: { failure?: Error }): void {
    this.#release();
    this.#end = end;
    if (this.#sink) this.#deliverEnd();
  }

  #deliverEnd(): void {
    if (this.#end?.failure) this.#sink?.fail(this.#end.failure);
    else this.#sink?.end();
  }

  #watchIdle(): void {
    clearTimeout(this.#idle);
    if (this.#mayIdle || this.#end) return;
    const { idleMs } = this.#outgoing.deadlines;
    const expire = () => this.#controller?.abort(new GatewayError('UPSTREAM_TIMEOUT', `no byte for ${idleMs} ms`));
    this.#idle = setTimeout(expire, idleMs);
  }

  #release(): void {
    clearTimeout(this.#idle);
    this.#outgoing.signal.removeEventListener('abort', this.#leave);
  }
}

function left(): GatewayError {
  return new GatewayError('CALLER_LEFT', 'the caller left');
}

/** undici's and Node's codes that mean: nothing answers there, or not in time. */
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'ETIMEDOUT']);
const GARBAGE = new Set([
  'HTTPParserError',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);

function explain(cause: Error, url: URL, neverSent: boolean): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const code = errorCode(cause) ?? cause.name;
  const details = { cause, neverSent };
  if (TIMEOUTS.has(code)) return new GatewayError('UPSTREAM_TIMEOUT', `${url.origin} did not answer in time`, details);
  if (code.startsWith('HPE_') || GARBAGE.has(code)) {
    return new GatewayError('UPSTREAM_GARBAGE', `${url.origin} answered something that is not HTTP (${code})`, details);
  }
  if (neverSent) return new GatewayError('UPSTREAM_UNREACHABLE', `${url.origin} can't be reached (${code})`, details);
  return new GatewayError('UPSTREAM_BROKE', `${url.origin} broke off before it answered (${code})`, details);
}
