import type { ServerResponse } from 'node:http';
import type { Exchange, Flow, Reply, Sink, TakeOver } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { errorReply } from '../gateway/errorReply.js';
import { headerValue } from '../wire/headers.js';
import { endExchange } from './exchanges.js';
import { LINGER_MS } from './refusals.js';

/** Writes a reply to the caller's socket and ends the exchange when its last byte left. A promise only where an upstream takes over. */
export function respond(response: ServerResponse, reply: Reply, exchange: Exchange): Promise<void> | undefined {
  if (isTakeOver(reply.body)) return takeOver(response, reply.body, exchange);
  if (response.destroyed || exchange.signal.aborted) abandon(reply, exchange);
  else write(response, reply, exchange);
  return undefined;
}

function write(response: ServerResponse, reply: Reply, exchange: Exchange): void {
  response.writeHead(reply.status, reply.headers as string[]);
  if (typeof reply.body === 'function') return stream(response, reply, reply.body, exchange);
  response.end(reply.body ?? undefined, () => endExchange(exchange, 'complete', reply.status));
  lingerFor(response);
}

/** Streams a body with back-pressure: a slow caller stops the upstream's socket, and a caller that left closes it. */
function stream(response: ServerResponse, reply: Reply, body: (sink: Sink) => Flow, exchange: Exchange): void {
  let flow: Flow | undefined;
  const sink: Sink = {
    write: (chunk) => response.write(chunk),
    end: () => {
      response.end(() => endExchange(exchange, 'complete', reply.status));
    },
    fail: () => {
      // Only a broken connection tells a caller that this was not all.
      if (!exchange.signal.aborted) endExchange(exchange, 'upstream-broke', reply.status);
      response.destroy();
    },
  };
  response.on('drain', () => flow?.resume());
  if (headerValue(reply.headers, 'content-type')?.startsWith('text/event-stream')) response.flushHeaders();
  flow = body(sink);
}

/** Nobody is there to read: the upstream is let go at once. */
function abandon(reply: Reply, exchange: Exchange): void {
  if (typeof reply.body === 'function') reply.body({ write: () => true, end() {}, fail() {} }).cancel();
  endExchange(exchange, 'caller-left', 499);
}

/** An upstream that fails before it wrote anything is answered for like any other. */
async function takeOver(response: ServerResponse, body: TakeOver, exchange: Exchange): Promise<void> {
  try {
    endExchange(exchange, 'complete', await body.takeOver());
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

/** A request that was refused unread is read to its end, so that the refusal isn't lost in a reset; but not for ever. */
function lingerFor(response: ServerResponse): void {
  const { req: request } = response;
  if (request.complete) return;
  request.resume();
  const cut = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(cut));
}
