import { IncomingMessage } from 'node:http';

/** Where the parser's finding is kept; no private field, since Node's own constructor writes it before ours exist. */
const FOUND = Symbol('upgrade');

/**
 * A request that is an upgrade only where we can serve one. `Upgrade: h2c`, which some clients send with every request,
 * is an offer that a server may ignore (RFC 9110 section 7.8); Node would take the socket away from HTTP for it.
 */
export class UpgradableMessage extends IncomingMessage {
  declare [FOUND]: boolean;

  /** Node sets what its parser found, and asks before it hands the socket over. */
  get upgrade(): boolean {
    return this[FOUND] && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket');
  }

  set upgrade(found: boolean) {
    this[FOUND] = found;
  }
}
