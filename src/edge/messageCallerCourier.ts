import type { Clock, Door, Flow, Handler, HeaderLines, McpCall, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { errorReply } from '../gateway/errorReply.js';
import { callerLines, OpenExchange, OwnRequest } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { type MessageReader, readMessages } from '../wire/messages.js';
import { endExchange, type RequestIds } from './exchanges.js';
import { isAnswer } from './messageCallerSaid.js';

export interface CourierDeps {
  readonly handler: Handler;
  readonly door: Door;
  readonly clock: Clock;
  readonly ids: RequestIds;
  readonly target: string;
  readonly headers: HeaderLines;
  readonly remoteAddress: string;
}

const POSTED = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'];
const STREAMED = ['accept', 'text/event-stream'];
const ENDED = ['accept', 'application/json'];
const NO_BODY = { kind: 'stream', era: 'legacy', body: null } as const;
const THE_END = { kind: 'end', era: 'legacy', body: null } as const;

/** The largest message of a server that is handed to a caller: what editors' clients take on a line. Bytes. */
export const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;

/** What an exchange is made of besides what all have in common. */
export interface Letter {
  /** Of the session, or of the message. */
  readonly lines: HeaderLines;
  /** The caller's own, where the door has others for each message. */
  readonly headers?: HeaderLines | undefined;
}

/** Makes exchanges, brings them on their way, and ends them. */
export class Courier {
  readonly #deps: CourierDeps;
  #lines: HeaderLines;

  constructor(deps: CourierDeps) {
    this.#deps = deps;
    this.#lines = callerLines(deps.headers);
  }

  post(call: McpCall & { readonly body: Buffer }, letter: Letter): OpenExchange {
    return this.#open('POST', call, POSTED, letter, call.body);
  }

  get(letter: Letter): OpenExchange {
    return this.#open('GET', NO_BODY, STREAMED, letter);
  }

  delete(letter: Letter): OpenExchange {
    return this.#open('DELETE', THE_END, ENDED, letter);
  }

  /** The caller proved itself with these: streams and new sessions of its own are asked for with them. */
  remember(headers: HeaderLines): void {
    this.#lines = callerLines(headers);
  }

  /** Never rejects: what nobody has made an answer of is one here. */
  async send(exchange: OpenExchange): Promise<Reply> {
    try {
      return await this.#deps.handler(exchange);
    } catch (error) {
      const failure =
        error instanceof GatewayError ? error : new GatewayError('INTERNAL', 'something went wrong in the proxy');
      exchange.failure = failure;
      return errorReply(failure, exchange);
    }
  }

  #open(method: string, call: McpCall, framing: HeaderLines, { lines, headers }: Letter, body?: Buffer): OpenExchange {
    const { ids, door, clock, target, remoteAddress } = this.#deps;
    const callers = headers ? callerLines(headers) : this.#lines;
    const request = new OwnRequest(
      { method, target, remoteAddress, headerLines: [...callers, ...framing, ...lines] },
      body,
    );
    const exchange = new OpenExchange(ids.next(), door, request, clock);
    exchange.call = call;
    return exchange;
  }
}

/** How the reading of an answer ended: at its end, or for this reason. */
export type ReadEnd = Error | undefined;

/** Reads an answer to its end and ends its exchange; resolves at once when somebody lets go of it by `leave`. */
export class AnswerReading {
  readonly #exchange: OpenExchange;
  #settle: ((end: ReadEnd) => void) | undefined = undefined;
  #flow: Flow | undefined = undefined;

  constructor(exchange: OpenExchange) {
    this.#exchange = exchange;
  }

  read(reply: Reply, reader: Pick<MessageReader, 'message' | 'primed'>): Promise<ReadEnd> {
    return new Promise((resolve) => {
      this.#settle = (end) => {
        this.#settle = undefined;
        const outcome = end === undefined ? 'complete' : this.#exchange.gone ? 'caller-left' : 'upstream-broke';
        endExchange(this.#exchange, outcome, reply.status);
        resolve(end);
      };
      const end = (reason?: Error) => this.#settle?.(reason);
      this.#flow = readMessages(
        reply,
        {
          message: (text, event) => reader.message(text, event),
          primed: (event) => reader.primed?.(event),
          end: () => end(),
          fail: end,
        },
        MOST_MESSAGE_BYTES,
      );
      if (this.#exchange.gone) this.leave();
    });
  }

  /** The upstream is let go of at once. */
  leave(): void {
    this.#exchange.leave(callerLeft());
    this.#flow?.cancel();
    this.#settle?.(callerLeft());
  }
}

/** Reads an answer, and resolves with its last message: on a stream, the answer to the call. Empty where there is none. */
export function lastText(exchange: OpenExchange, reply: Reply): Promise<string> {
  let last = '';
  return new Promise((resolve) => {
    const message = (text: string) => {
      last = text;
      // Some servers forget to end the stream.
      if (isAnswer(text)) resolve(text);
    };
    void new AnswerReading(exchange).read(reply, { message }).then(() => resolve(last));
  });
}
