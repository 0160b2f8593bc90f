import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import type { Deadlines, HeaderLines } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import { type FieldNames, isEventStream, ROUTING_HEADERS, responseLines } from '../wire/headers.js';

/** What a passage is about, and whom it tells how it ended. */
export interface Errand {
  readonly origin: string;
  readonly path: string;
  readonly lines: HeaderLines;
  readonly names: FieldNames;
  /** The body, where somebody has read it before us; null where the stream is untouched. */
  readonly body: Buffer | null;
  readonly deadlines: Deadlines;
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
  #status = 0;
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
    if (this.#errand.caller.destroyed || this.#errand.signal.aborted) return void outgoing.destroy();
    outgoing.path = this.#errand.path;
    writeLines(outgoing, this.#errand.lines);
    if (outgoing.socket) this.#connect(outgoing.socket);
    else outgoing.once('socket', (socket) => this.#connect(socket));
    const { firstByteMs } = this.#errand.deadlines;
    outgoing.once('finish', () => this.#limit(firstByteMs, `no answer within ${firstByteMs} ms`));
    if (this.#errand.body) outgoing.end(this.#errand.body);
  }

  departForUpgrade(outgoing: ClientRequest): void {
    this.depart(outgoing);
    const socket = this.#errand.caller as Duplex;
    outgoing.once('socket', () => {
      // On a failure the middleware would end the caller's socket, on which the edge has yet to say why.
      outgoing.removeAllListeners('error').on('error', (error) => this.fail(error));
    });
    outgoing.once('upgrade', (_incoming, upstream) => {
      this.#begin(101);
      socket.once('close', () => upstream.destroy());
    });
    outgoing.once('response', (incoming) => {
      this.#begin(incoming.statusCode as number);
      // The middleware writes this head and the body behind it as it is: unchunked, up to the end of the connection.
      delete incoming.headers['transfer-encoding'];
      incoming.headers.connection = 'close';
      incoming.once('error', () => socket.destroy());
    });
  }

  /** The head has come: it goes on at once, since an event stream may have nothing to say for long. */
  answer(incoming: IncomingMessage): void {
    const response = this.#errand.caller as ServerResponse;
    this.#begin(incoming.statusCode as number);
    response.writeHead(this.#status, incoming.statusMessage, responseLines(incoming.rawHeaders, this.#errand.names));
    response.flushHeaders();
    if (!isEventStream(incoming.rawHeaders)) this.#watchIdle();
    incoming.once('error', (error) => this.fail(error));
    // Where one side breaks off, `pipeline` closes the other's socket: a part never passes for the whole.
    pipeline(incoming, response, () => {});
  }

  fail(cause: Error): void {
    this.#settle(explain(cause, this.#errand.origin, !this.#connected));
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
    clearTimeout(this.#timer);
    this.#errand.signal.removeEventListener('abort', this.#leave);
    this.#errand.caller.removeListener('close', this.#leave);
    if (typeof end === 'number') this.#errand.resolve(end);
    else this.#errand.reject(end);
  }
}

/**
 * The caller's lines as they were written: case, order and repetition kept. A `Content-Length: 0` that the middleware
 * makes up for DELETE and OPTIONS goes first: before a chunked body, it would let the body pass for a request of its own.
 */
function writeLines(outgoing: ClientRequest, lines: HeaderLines): void {
  outgoing.removeHeader('content-length');
  for (const name of ROUTING_HEADERS) outgoing.removeHeader(name);
  const values = new Map<string, string[]>();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    const key = name.toLowerCase();
    const all = [...(values.get(key) ?? []), lines[i + 1] as string];
    values.set(key, all);
    outgoing.setHeader(name, all.length === 1 ? (all[0] as string) : all);
  }
}

function explain(cause: Error, origin: string, neverSent: boolean): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const code = errorCode(cause) ?? cause.name;
  const details = { cause, neverSent };
  if (code === 'ETIMEDOUT') return new GatewayError('UPSTREAM_TIMEOUT', `${origin} did not answer in time`, details);
  if (code.startsWith('HPE_')) return new GatewayError('UPSTREAM_GARBAGE', `${origin} doesn't speak HTTP`, details);
  if (neverSent) return new GatewayError('UPSTREAM_UNREACHABLE', `${origin} can't be reached (${code})`, details);
  return new GatewayError('UPSTREAM_BROKE', `${origin} broke off (${code})`, details);
}
