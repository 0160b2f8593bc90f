import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Exchange, Reply } from '../contracts.js';
import { type ErrorCode, errorCode, GatewayError } from '../core/errors.js';
import { errorReply, plainError } from '../gateway/errorReply.js';
import { endExchange } from './exchanges.js';

/** A caller that sends on past a refusal gets this long to read it before its socket is cut. */
const LINGER_MS = 2000;

/** Answers what isn't well-formed HTTP, or didn't come in time, and closes: nothing after it on this connection can be trusted. */
export function malformed(error: Error, socket: Duplex, answering: boolean): void {
  if (answering || errorCode(error) === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  // Each piece that still comes fails again. It is read and thrown away, since closing on it would reset the refusal.
  if (!socket.writable) return;
  const row = parserError(errorCode(error));
  const body = JSON.stringify(plainError(new GatewayError(row.code, row.message)));
  socket.end(
    rawResponse(
      new GatewayError(row.code, row.message).status,
      ['content-type', 'application/json'],
      Buffer.from(body),
    ),
  );
  cutLater(socket);
}

/**
 * What still comes is read and thrown away, so that the refusal isn't lost in a reset; but not for ever. Returns what
 * spares the socket after all.
 */
export function cutLater(socket: Duplex): () => void {
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  const spare = () => {
    clearTimeout(cut);
    socket.removeListener('close', spare);
  };
  socket.once('close', spare);
  return spare;
}

function parserError(code: string | undefined): { code: ErrorCode; message: string } {
  if (code === 'HPE_HEADER_OVERFLOW')
    return { code: 'HEADERS_TOO_LARGE', message: 'the request headers are too large' };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return { code: 'REQUEST_TIMEOUT', message: 'the request did not arrive in time' };
  return { code: 'MALFORMED_HTTP', message: 'the request is not well-formed HTTP/1.1' };
}

/** Hands the socket to the upstream that took the upgrade, until that is over, or says why none did. */
export async function answerUpgrade(socket: Duplex, reply: Reply, exchange: Exchange): Promise<void> {
  const { body } = reply;
  if (typeof body === 'object' && body !== null && 'takeOver' in body) {
    try {
      endExchange(exchange, 'complete', await body.takeOver());
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      await answerUpgrade(socket, errorReply(error, exchange), exchange);
    }
    return;
  }
  endExchange(exchange, 'complete', reply.status);
  socket.end(rawResponse(reply.status, reply.headers, Buffer.isBuffer(body) ? body : Buffer.alloc(0)));
  socket.resume();
  cutLater(socket);
}

/** A whole response in bytes, for sockets that have no ServerResponse. */
function rawResponse(status: number, headers: readonly string[], body: Buffer): Buffer {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: close'];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-length') lines.push(`${headers[i]}: ${headers[i + 1]}`);
  }
  lines.push(`content-length: ${body.length}`, '', '');
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
}
