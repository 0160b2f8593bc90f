import { type ClientRequest, type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import type { Deadlines, HeaderLines } from '../contracts.js';
import { type ErrorCode, GatewayError } from '../core/errors.js';
import { explainUpstreamError } from '../wire/explain.js';
import { type FieldNames, headerValue, isEventStream, responseLines } from '../wire/headers.js';

/** What a passage is about, and whom it tells how it ended. */
export interface Errand {
  readonly origin: string;
  readonly path: string;
  readonly lines: HeaderLines;
  readonly names: FieldNames;
  /** The body, where somebody has read it before us; null where the stream is untouched. */
  readonly body: Buffer | null;
  readonly deadlines: Deadlines;
  readonly request: IncomingMessage;
  /** Where the answer goes: the bare socket, where an upgrade is asked for. */
  readonly caller: ServerResponse | Duplex;
  readonly signal: AbortSignal;
  resolve(status: number): void;
  /** With a GatewayError; the caller has been sent nothing, or its socket is closed. */
  reject(error: GatewayError): void;
}

/** One exchange on its way through the middleware. */
export class Passage {
  readonly #errand: Errand;
  readonly #leave = () => this.#cancel();
  #outgoing: ClientRequest | undefined;
  #connected = false;
  /** Of the head that the caller was sent; 0 before. */
  #status = 0;
  #settled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(errand: Errand) {
    this.#errand = errand;
    errand.signal.addEventListener('abort', this.#leave, { once: true });
    errand.caller.once('close', this.#leave);
    // A socket that errs without a listener takes the process with it; its `close` follows.
    errand.caller.on('error', () => {});
    if (errand.signal.aborted || errand.caller.destroyed) this.#cancel();
  }

  /** The middleware has made its request; nothing of it is on the wire yet. */
  depart(outgoing: ClientRequest): void {
    this.#outgoing = outgoing;
    this.#guard('INTERNAL', 'the request could not be passed on', () => this.#send(outgoing));
  }

  departForUpgrade(outgoing: ClientRequest): void {
    this.depart(outgoing);
    // The middleware's own listeners are there by then. They would end the caller's socket on a failure, on which the
    // edge has yet to say why, and would write an answer as it is: unchunked, its end and its break the same.
    queueMicrotask(() => {
      outgoing.removeAllListeners('error').on('error', (error) => this.fail(error));
      outgoing.removeAllListeners('response').once('response', (incoming) => this.answer(incoming));
      outgoing.once('upgrade', (_incoming, upstream) => {
        this.#begin(101);
        this.#errand.caller.once('close', () => upstream.destroy());
      });
    });
  }

  /** The head has come: it goes on at once, since an event stream may have nothing to say for long. */
  answer(incoming: IncomingMessage): void {
    // Node's parser takes status codes and reasons that Node itself refuses to write.
    this.#guard('UPSTREAM_GARBAGE', 'the answer is not HTTP', () => this.#relay(incoming));
  }

  fail(cause: Error): void {
    const { caller, origin } = this.#errand;
    const failure = explainUpstreamError(cause, origin, !this.#connected);
    if (this.#settled || this.#status === 0) return this.#settle(failure);
    // A head is out. An error behind it would pass for a part of the answer: only the connection's break can tell.
    caller.destroy();
    this.#settle(caller instanceof ServerResponse ? failure : this.#status);
  }

  /** For what is thrown in the middleware's events: nobody would catch it there, and the process would end. */
  #guard(code: ErrorCode, message: string, step: () => void): void {
    try {
      step();
    } catch (cause) {
      const { caller, origin } = this.#errand;
      this.#outgoing?.destroy();
      // Else Node would keep the refused reason for the answer that the edge writes instead.
      if (caller instanceof ServerResponse) caller.statusMessage = '';
      this.fail(new GatewayError(code, `${origin}: ${message}`, { cause, neverSent: !this.#connected }));
    }
  }

  #send(outgoing: ClientRequest): void {
    const { body, caller, deadlines, lines, path, signal } = this.#errand;
    if (caller.destroyed || signal.aborted) return void outgoing.destroy();
    outgoing.path = path;
    writeLines(outgoing, lines);
    if (outgoing.socket) this.#connect(outgoing.socket);
    else outgoing.once('socket', (socket) => this.#connect(socket));
    const { firstByteMs } = deadlines;
    outgoing.once('finish', () => this.#limit(firstByteMs, `no answer within ${firstByteMs} ms`));
    outgoing.once('close', () => this.#closed());
    if (body) outgoing.end(body);
  }

  #relay(incoming: IncomingMessage): void {
    const { caller, names, request } = this.#errand;
    const response = caller instanceof ServerResponse ? caller : refusalOn(caller as Socket, request);
    const status = incoming.statusCode as number;
    incoming.once('error', (error) => this.fail(error));
    response.writeHead(status, incoming.statusMessage, responseLines(incoming.rawHeaders, names));
    this.#begin(status);
    response.flushHeaders();
    if (!isEventStream(incoming.rawHeaders)) this.#watchIdle();
    // Where one side breaks off, `pipeline` closes the other's socket: a part never passes for the whole.
    pipeline(incoming, response, () => {});
  }

  /** After a 101 that nobody asked for, Node closes the connection without an error. */
  #closed(): void {
    if (this.#status === 0)
      this.fail(new GatewayError('UPSTREAM_BROKE', `${this.#errand.origin} left without an answer`));
  }

  #begin(status: number): void {
    clearTimeout(this.#timer);
    this.#status = status;
  }

  #connect(socket: Socket): void {
    this.#connected = !socket.connecting;
    if (this.#connected) return;
    const { connectMs } = this.#errand.deadlines;
    this.#limit(connectMs, `no connection within ${connectMs} ms`);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      this.#connected = true;
      clearTimeout(this.#timer);
    });
  }

  #limit(ms: number, message: string): void {
    clearTimeout(this.#timer);
    if (this.#status === 0) this.#timer = setTimeout(() => this.#expire(message), ms);
  }

  #watchIdle(): void {
    const { idleMs } = this.#errand.deadlines;
    this.#outgoing?.setTimeout(idleMs, () => this.#expire(`no byte for ${idleMs} ms`));
  }

  #expire(message: string): void {
    const { origin } = this.#errand;
    const neverSent = !this.#connected;
    this.#outgoing?.destroy(new GatewayError('UPSTREAM_TIMEOUT', `${origin}: ${message}`, { neverSent }));
  }

  /** The answer is out, the caller has left, or a drain ran out: nothing is left to be done for this exchange. */
  #cancel(): void {
    const { caller, signal } = this.#errand;
    this.#outgoing?.destroy();
    if (signal.aborted && this.#status !== 0) caller.destroy();
    this.#settle(this.#status === 0 ? new GatewayError('UPSTREAM_BROKE', 'the caller left') : this.#status);
  }

  #settle(end: number | GatewayError): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#errand.signal.removeEventListener('abort', this.#leave);
    this.#errand.caller.removeListener('close', this.#leave);
    if (typeof end === 'number') this.#errand.resolve(end);
    else this.#errand.reject(end);
  }
}

/** A refused upgrade is answered like any other request, and ends the connection (RFC 9110 section 7.8). */
function refusalOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  // The server that did these two has let go of the socket.
  socket.on('drain', () => response.emit('drain'));
  response.once('finish', () => socket.destroySoon());
  return response;
}

/**
 * The lines as they were written, case, order and repetition kept, and none that the middleware copied or made up: before
 * a chunked body, its `Content-Length: 0` for DELETE and OPTIONS would let the body pass for a request of its own.
 */
function writeLines(outgoing: ClientRequest, lines: HeaderLines): void {
  // HTTP/1.0 needs no Host, but what Node sends does (RFC 9112 section 3.2).
  const hostless = headerValue(lines, 'host') === undefined;
  for (const name of outgoing.getHeaderNames()) if (name !== 'host' || !hostless) outgoing.removeHeader(name);
  const values = new Map<string, string[]>();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    const key = name.toLowerCase();
    const all = [...(values.get(key) ?? []), lines[i + 1] as string];
    values.set(key, all);
    outgoing.setHeader(name, all.length === 1 ? (all[0] as string) : all);
  }
}
