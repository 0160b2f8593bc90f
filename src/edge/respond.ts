import type { ServerResponse } from 'node:http';
import type { Exchange, Flow, Reply, Sink, TakeOver } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { errorReply } from '../gateway/errorReply.js';
import { endExchange } from './exchanges.js';
import { cutLater } from './refusals.js';

const STALLED_MS = 300_000;

/** Writes a reply to the caller's socket and ends the exchange when its last byte left. A promise only where an upstream takes over. */
export function respond(response: ServerResponse, reply: Reply, exchange: Exchange): Promise<void> | undefined {
  if (isTakeOver(reply.body)) return takeOver(response, reply.body, exchange);
  if (response.destroyed || exchange.gone) abandon(reply, exchange);
  else write(response, reply, exchange);
  return undefined;
}

function write(response: ServerResponse, reply: Reply, exchange: Exchange): void {
  response.writeHead(reply.status, reply.headers as string[]);
  if (typeof reply.body === 'function') return stream(response, reply.body, exchange);
  if (reply.body) exchange.costs.sentBytes += (reply.body as Buffer).length;
  response.end(reply.body ?? undefined);
  lingerFor(response);
}

/** Streams a body to the caller. */
function stream(response: ServerResponse, body: (sink: Sink) => Flow, exchange: Exchange): void {
  const sink = new ResponseSink(response, exchange);
  sink.flow = body(sink);
  // An event stream may have nothing to say for long; its head says that it is one.
  if (!sink.started) response.flushHeaders();
}

/** A response with back-pressure: a slow caller stops the upstream's socket. */
class ResponseSink implements Sink {
  readonly #response: ServerResponse;
  readonly #exchange: Exchange;
  flow: Flow | undefined = undefined;
  started = false;
  #waiting = false;

  constructor(response: ServerResponse, exchange: Exchange) {
    this.#response = response;
    this.#exchange = exchange;
  }

  write(chunk: Buffer): boolean {
    this.started = true;
    this.#exchange.costs.sentBytes += chunk.length;
    const ready = this.#response.write(chunk);
    if (!ready && !this.#waiting) {
      this.#waiting = true;
      whenDrained(this.#response, () => {
        this.#waiting = false;
        this.flow?.resume();
      });
    }
    return ready;
  }

  end(chunk?: Buffer): void {
    this.started = true;
    if (chunk) this.#exchange.costs.sentBytes += chunk.length;
    this.#response.end(chunk);
  }

  /** Only a broken connection tells a caller that this was not all. */
  fail(): void {
    if (!this.#exchange.gone) endExchange(this.#exchange, 'upstream-broke', this.#response.statusCode);
    this.#response.destroy();
  }
}

/** A caller that takes nothing for so long has left without saying so; the upstream isn't held for it any longer. */
function whenDrained(response: ServerResponse, proceed: () => void): void {
  // Its `close` has been: nothing would end the wait.
  if (response.destroyed) return;
  const stalled = setTimeout(() => response.destroy(), STALLED_MS);
  const over = () => clearTimeout(stalled);
  response.once('close', over);
  response.once('drain', () => {
    over();
    response.removeListener('close', over);
    proceed();
  });
}

/** Nobody is there to read: the upstream is let go at once. */
function abandon(reply: Reply, exchange: Exchange): void {
  if (typeof reply.body === 'function') reply.body({ write: () => true, end() {}, fail() {} }).cancel();
  endExchange(exchange, 'caller-left', 499);
}

/** An upstream that fails before it wrote anything is answered for like any other. */
async function takeOver(response: ServerResponse, body: TakeOver, exchange: Exchange): Promise<void> {
  try {
    const status = await body.takeOver();
    endExchange(exchange, exchange.gone ? 'caller-left' : 'complete', status);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (!response.headersSent) return respond(response, errorReply(error, exchange), exchange);
    endExchange(exchange, 'upstream-broke', response.statusCode);
    response.destroy();
  }
}

function isTakeOver(body: Reply['body']): body is TakeOver {
  return typeof body === 'object' && body !== null && 'takeOver' in body;
}

/**
 * A request that was refused unread is read to its end, so that the refusal isn't lost in a reset; but not for ever. Once
 * it is read, the connection is as good as any: the next call on it may be somebody else's.
 */
function lingerFor(response: ServerResponse): void {
  const { req: request } = response;
  if (request.complete) return;
  request.once('end', cutLater(request.socket));
  request.resume();
}
