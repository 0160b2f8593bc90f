import type { Clock, Door, Handler, HeaderLines, Reply } from '../contracts.js';
import type { RequestIds } from './exchanges.js';

/** What a door without Streamable HTTP is a client of the house by. */
export interface MessageCallerDeps {
  /** The door's compiled chain. */
  readonly handler: Handler;
  readonly door: Door;
  readonly clock: Clock;
  readonly ids: RequestIds;
  /** `/mcp`, or `/mcp/<destination>`; a query may follow. */
  readonly target: string;
  /** What every exchange says besides its own lines. What belongs to one message only (`accept`, `mcp-session-id` …) is left out. */
  readonly headers: HeaderLines;
  readonly remoteAddress: string;
  /** One JSON-RPC message, or a batch, for the caller: a single line. */
  deliver(text: string): void;
  /** True: sessions that the server lost are begun anew and a server that restarts is waited for, unseen by the caller. */
  readonly heal: boolean;
  /**
   * What becomes of a 401 or 403. `deliver` (the default): a JSON-RPC error for the caller. `answer`: `receive` resolves
   * with the reply, and nothing is delivered, so that the door can show its challenge.
   */
  readonly refusals?: 'deliver' | 'answer';
}

/** The client side of Streamable HTTP, for a caller that has only messages. Holds one caller's session and streams. */
export class MessageCaller {
  readonly #deps: MessageCallerDeps;

  constructor(deps: MessageCallerDeps) {
    this.#deps = deps;
  }

  /**
   * Takes one message of the caller; never rejects. Resolves when the head of its answer is there (for a call that takes
   * long, that is late: a door that must answer at once doesn't wait for it). Undefined: everything that there was
   * to say was or will be delivered. A reply: a refusal for the door to answer with; see `refusals`.
   * `headers` stand in the place of those of the deps for this message.
   */
  receive(_text: string, _headers: HeaderLines = this.#deps.headers): Promise<Reply | undefined> {
    return Promise.resolve(undefined);
  }

  /** Takes nothing more, lets what is under way end for `drainMs`, ends the session and lets go of everything. */
  close(_drainMs = 0): Promise<void> {
    return Promise.resolve();
  }
}
