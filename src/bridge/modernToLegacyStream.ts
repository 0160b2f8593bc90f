import type { Clock, Flow, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isEventStream } from '../wire/headers.js';
import { readMessages } from '../wire/messages.js';
import { type Message, readMessage } from './modernToLegacyMessages.js';
import { Timer } from './modernToLegacyTimer.js';

/** The server ended a stream for good, with this status. */
export class StreamRefused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the server answers ${status} to a stream that is taken up again`);
    this.status = status;
  }
}

export interface StreamOwner {
  message(message: Message): void;
  /** No more comes. A reason where it broke off and couldn't be taken up again. */
  over(reason?: Error): void;
  /** GET, from the event on that was read last. */
  reopen(lastEventId: string | undefined): Promise<Reply>;
}

/** Milliseconds. */
const WAIT_MS = 1_000;
const SHORTEST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 30_000;
const MOST_FAILURES = 8;
/** So long a stream may take to end once all was said, that its connection may serve again. */
const GRACE_MS = 1_000;

/**
 * The messages of one stream of a server, whichever connections carry it: one that ends is taken up again where its
 * events have ids (2025-11-25, Resumability and Redelivery).
 */
export class LegacyStream {
  readonly #clock: Clock;
  readonly #owner: StreamOwner;
  /** Taken up again even where no event had an id: what is missed meanwhile is lost. */
  readonly #standing: boolean;
  readonly #closing = new AbortController();
  readonly #grace = new Timer(() => this.#flow?.cancel());
  #flow: Flow | undefined;
  #lastEventId: string | undefined;
  #retryMs: number | undefined;
  #finished = false;

  constructor(owner: StreamOwner, clock: Clock, standing = false) {
    this.#owner = owner;
    this.#clock = clock;
    this.#standing = standing;
  }

  read(reply: Reply): void {
    const streams = isEventStream(reply.headers);
    const flow = readMessages(reply, {
      message: (text, event) => {
        if (event) this.#note(event);
        this.#take(text);
      },
      primed: (event) => this.#note(event),
      end: () => this.#ended(streams),
      fail: (reason) => this.#ended(streams, reason),
    });
    this.#flow = flow;
    if (this.#closing.signal.aborted && !this.#finished) flow.cancel();
  }

  /** Nothing is read any more. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#flow?.cancel();
  }

  /** All was said: the rest, which should be nothing, is only waited for. */
  finish(): void {
    if (this.#closing.signal.aborted) return;
    this.#finished = true;
    this.#closing.abort();
    this.#grace.start(GRACE_MS);
  }

  #note({ id, retry }: { readonly id?: string; readonly retry?: number }): void {
    if (id !== undefined) this.#lastEventId = id;
    if (retry !== undefined) this.#retryMs = retry;
  }

  #take(text: string): void {
    if (this.#closing.signal.aborted) return;
    try {
      for (const message of readMessage(text)) this.#owner.message(message);
    } catch (error) {
      this.#over(error as Error);
    }
  }

  #ended(streams: boolean, reason?: Error): void {
    this.#grace.stop();
    if (this.#closing.signal.aborted) return;
    this.#flow = undefined;
    const resumable = streams && (this.#standing || this.#lastEventId !== undefined);
    // Too large an event would come again.
    if (!resumable || (reason instanceof GatewayError && reason.code === 'UPSTREAM_GARBAGE')) this.#over(reason);
    else this.#resume(reason).catch((error: unknown) => this.#over(error as Error));
  }

  async #resume(broke?: Error): Promise<void> {
    let reason = broke;
    for (let failures = 0; failures < MOST_FAILURES; failures++) {
      const wait = Math.max(this.#retryMs ?? WAIT_MS, SHORTEST_WAIT_MS) * 2 ** failures;
      await this.#clock.sleep(Math.min(wait, LONGEST_WAIT_MS), this.#closing.signal);
      try {
        const reply = await this.#owner.reopen(this.#lastEventId);
        if (reply.status === 200) return this.read(reply);
        readMessages(reply, { message() {}, end() {}, fail() {} }).cancel();
        if (reply.status < 500) throw new StreamRefused(reply.status);
      } catch (error) {
        if (error instanceof StreamRefused) throw error;
        reason = error as Error;
      }
    }
    this.#over(reason);
  }

  #over(reason?: Error): void {
    if (this.#closing.signal.aborted) return;
    this.close();
    this.#owner.over(reason);
  }
}
