import type { Exchange, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { errorObject } from '../core/jsonRpc.js';
import { callerLeft } from '../wire/explain.js';
import { EventStream, jsonReply } from '../wire/messages.js';
import { writeJson } from './modernToLegacyJson.js';
import type { Client, Json, Message, ModernError } from './modernToLegacyMessages.js';
import { Timer } from './modernToLegacyTimer.js';

/**
 * One request of a client, and its answer: plain JSON where the result is all there is to say, else an event stream that
 * begins with the first notification, or once there was nothing to say for a while.
 */
export class Face {
  readonly exchange: Exchange;
  readonly client: Client;
  readonly reply: Promise<Reply>;
  /** Called where the client leaves before the end. */
  left: () => void = () => {};
  readonly #id: string | number | undefined;
  readonly #alive: Timer;
  readonly #keepAliveMs: number;
  #promised: { resolve(reply: Reply): void; reject(error: GatewayError): void } | undefined;
  #stream: EventStream | undefined;
  #over = false;

  constructor(exchange: Exchange, client: Client, keepAliveMs: number) {
    this.exchange = exchange;
    this.client = client;
    this.#id = exchange.call?.id;
    this.reply = new Promise((resolve, reject) => {
      this.#promised = { resolve, reject };
    });
    // Whoever waits for it hears of it; it may fail before anybody does.
    this.reply.catch(() => {});
    this.#keepAliveMs = keepAliveMs;
    this.#alive = new Timer(() => this.#keepAlive());
    this.#alive.start(keepAliveMs);
    exchange.held = this;
  }

  get id(): string | number | undefined {
    return this.#id;
  }

  /** True once everything was said, or nobody is left to hear it. */
  get over(): boolean {
    return this.#over;
  }

  notify(message: Message): void {
    if (this.#over) return;
    this.#open().send({ data: writeJson(message), event: 'message' });
    this.#alive.start(this.#keepAliveMs);
  }

  finish(result: Json): void {
    this.#end({ jsonrpc: '2.0', id: this.#id, result }, 200);
  }

  refuse({ status, error }: ModernError): void {
    this.#end({ jsonrpc: '2.0', id: this.#id, error }, status);
  }

  /** An answer of the server that isn't one to the call: a 401, or a 503. */
  answer(reply: Reply): void {
    if (this.#stream || this.#over) return this.fail(broken());
    this.#close();
    this.#promised?.resolve(reply);
  }

  fail(reason: unknown): void {
    if (this.#over) return;
    const error = reason instanceof GatewayError ? reason : broken(reason);
    if (this.#stream) this.#end(this.#inWords(error), error.status);
    else {
      this.#close();
      this.#promised?.reject(error);
    }
  }

  /** The client left. */
  cancel(): void {
    if (this.#over) return;
    this.#close();
    this.#promised?.reject(callerLeft());
    this.#stream?.cancel();
    this.left();
  }

  #end(message: Json, status: number): void {
    if (this.#over) return;
    this.#close();
    if (this.#stream) {
      this.#stream.send({ data: writeJson(message), event: 'message' });
      this.#stream.end();
    } else {
      this.#promised?.resolve(jsonReply(writeJson(message), [], status));
    }
  }

  #inWords(error: GatewayError): Json {
    return { jsonrpc: '2.0', id: this.#id, error: errorObject(error, this.exchange.id) };
  }

  #keepAlive(): void {
    this.#open().keepAlive();
    this.#alive.start(this.#keepAliveMs);
  }

  #open(): EventStream {
    if (!this.#stream) {
      this.#stream = new EventStream(() => this.cancel());
      this.#promised?.resolve(this.#stream.reply());
    }
    return this.#stream;
  }

  #close(): void {
    this.#over = true;
    this.#alive.stop();
    if (this.exchange.held === this) this.exchange.held = undefined;
  }
}

function broken(cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_BROKE', 'the server broke off before it answered', { cause });
}
