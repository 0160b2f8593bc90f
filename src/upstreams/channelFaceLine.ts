import type { Reply } from '../contracts.js';
import type { GatewayError } from '../core/errors.js';
import type { Carrying, Channel } from './channel.js';
import type { Said } from './channelFaceMessage.js';

/** A channel in the hands of one session or call; others may use the same one. */
export type Line = Pick<Channel, 'send' | 'close'>;

/** What a line tells of. */
export interface LineHandlers {
  said(said: Said): void;
  closed(reason: GatewayError): void;
}

/** What was opened: a line, or the server's refusal. */
export function isReply<Opened extends object>(opened: Opened | Reply): opened is Reply {
  return 'status' in opened;
}

/** Sends; `refused` and `failed` are told what becomes of it where that isn't plain. Nothing is thrown. */
export function deliver(
  line: Line,
  message: string | Buffer,
  carrying: Carrying | undefined,
  { refused, failed }: { refused?(reply: Reply): void; failed(error: GatewayError): void },
): void {
  try {
    line.send(message, carrying)?.then((reply) => reply && refused?.(reply), failed);
  } catch (error) {
    failed(error as GatewayError);
  }
}
