import { IncomingMessage } from 'node:http';

/** Takes a body as Node's parser brings it. */
export interface BodyTaker {
  /** False where it takes no more. */
  take(chunk: Buffer): boolean;
  end(): void;
}

/** By what Node knows that somebody reads a request, and has read it to its end. */
interface ReadState {
  _consuming: boolean;
  readonly _readableState: { endEmitted: boolean };
}

/** Where the parser's finding is kept; no private field, since Node's own constructor writes it before ours exist. */
const FOUND = Symbol('upgrade');

/** A request as it comes to the edge: what Node makes of it, but for upgrades and for the way of its body. */
export class InboundMessage extends IncomingMessage {
  declare [FOUND]: boolean;
  #taker: BodyTaker | undefined = undefined;
  #pushed = false;

  /**
   * An upgrade only where we can serve one. `Upgrade: h2c`, which some clients send with every request, is an offer that a
   * server may ignore (RFC 9110 section 7.8); Node would take the socket away from HTTP for it.
   */
  get upgrade(): boolean {
    return this[FOUND] && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket');
  }

  set upgrade(found: boolean) {
    this[FOUND] = found;
  }

  /**
   * Hands the body to `taker` in the turn in which it is parsed: to begin, fill, drain, end and close a stream costs more than
   * all else that a small body does (ADR 16). False where the stream has some of it already.
   */
  takeBody(taker: BodyTaker): boolean {
    if (this.#pushed) return false;
    this.#taker = taker;
    // Else Node would throw away what comes behind an early answer, and call that the whole.
    this.#readState._consuming = true;
    return true;
  }

  /** What the parser brings; `null` behind the last of it. What a taker doesn't want is the stream's again. */
  override push(chunk: Buffer | null): boolean {
    this.#pushed = true;
    const taker = this.#taker;
    if (!taker) return super.push(chunk);
    if (chunk === null) {
      this.#taker = undefined;
      // Else Node would hold on to the request for as long as the connection stays.
      this.#readState._readableState.endEmitted = true;
      taker.end();
      return false;
    }
    if (!taker.take(chunk)) this.#taker = undefined;
    return this.#taker !== undefined;
  }

  get #readState(): ReadState {
    return this as unknown as ReadState;
  }
}
