import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.js';

/**
 * Reads a request's body whole.
 * @throws GatewayError BODY_TOO_LARGE past `limit` bytes, the rest unread; CALLER_LEFT when the request breaks off
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const collect = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.removeListener('data', collect);
        request.pause();
        reject(tooLarge(limit));
      } else {
        chunks.push(chunk);
      }
    };
    request.on('data', collect);
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)));
    request.on('error', (cause) => reject(new GatewayError('CALLER_LEFT', 'the request broke off', { cause })));
  });
}

/** The one wording for a body past its limit, announced or found. */
export function tooLarge(limit: number): GatewayError {
  return new GatewayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);
}
