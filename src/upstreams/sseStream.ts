import type { Dispatcher } from 'undici';
import type { Deadlines, Flow, HeaderLines, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { callerLeft } from '../wire/explain.js';
import { forward } from '../wire/forward.js';
import { type FieldNames, isEventStream } from '../wire/headers.js';
import { type MessageReader, readMessages } from '../wire/messages.js';
import type { ServerSentEvent } from '../wire/sse.js';

/** A path and a query; what is longer names no session. */
const LONGEST_ENDPOINT = 4096;

/** It is the first thing that such a server says: one of Streamable HTTP may open a stream, too, and say nothing for ever. */
const ENDPOINT_MS = 15_000;

/** What a stream tells its owner of, once it is open. */
export interface StreamListener {
  message(text: string): void;
  /** Nothing more comes: the server ended it, it broke, or something on it can't be read. */
  closed(reason: Error): void;
}

export interface SseTarget {
  readonly url: URL;
  readonly headers: HeaderLines;
  readonly dispatcher: Dispatcher;
  readonly deadlines: Deadlines;
  readonly names: FieldNames;
}

/**
 * The stream of HTTP+SSE (2024-11-05): its first event says where messages are POSTed, all others are messages. It may be
 * silent for as long as it likes, comments among them; only its head and that first event have a deadline.
 */
export class SseStream extends Deadline implements MessageReader {
  readonly #target: SseTarget;
  readonly #listener: StreamListener;
  /** What `forward` lets go of where nobody wants the stream any more. */
  readonly #holder: { gone: boolean; held: Pick<Flow, 'cancel'> | undefined } = { gone: false, held: undefined };
  #awaited: { resolve(endpoint: URL): void; reject(reason: Error): void } | undefined;
  #endpoint: URL | undefined;
  #over = false;

  constructor(target: SseTarget, listener: StreamListener) {
    super();
    this.#target = target;
    this.#listener = listener;
  }

  /**
   * Where messages are POSTed, once the stream is open; or the server's answer, where it opened none.
   * @throws GatewayError UPSTREAM_GARBAGE for what isn't such a stream, or one that leads to another origin; UPSTREAM_TIMEOUT;
   *   and those of `forward`
   */
  async open(): Promise<URL | Reply> {
    const { url, headers, dispatcher, deadlines, names } = this.#target;
    const get = { url, method: 'GET', headers, body: null, caller: this.#holder, deadlines, names };
    const reply = await forward(dispatcher, get);
    if (reply.status !== 200) return reply;
    if (!isEventStream(reply.headers)) {
      this.close();
      throw new GatewayError('UPSTREAM_GARBAGE', `${url.origin} answered a GET with something that is no event stream`);
    }
    return new Promise((resolve, reject) => {
      this.#awaited = { resolve, reject };
      this.expireIn(this.#endpointMs);
      readMessages(reply, this);
    });
  }

  /** Lets go of the server at once; the listener isn't told. */
  close(): void {
    this.#over = true;
    this.stopClock();
    this.#holder.gone = true;
    this.#holder.held?.cancel();
    this.#refuse(callerLeft());
  }

  message(text: string, event?: ServerSentEvent): void {
    if (this.#over) return;
    const name = event?.event ?? 'message';
    if (name === 'endpoint') this.#found(text);
    // Events of other names are none of ours (WHATWG HTML, section 9.2.6: whoever doesn't listen for one doesn't hear it).
    else if (this.#endpoint && (name === 'message' || name === '')) this.#listener.message(text);
  }

  end(): void {
    this.fail(new GatewayError('UPSTREAM_BROKE', `${this.#target.url.origin} ended its event stream`));
  }

  fail(reason: Error): void {
    if (this.#over) return;
    const opened = this.#endpoint !== undefined;
    this.#refuse(this.#explained(reason));
    this.close();
    if (opened) this.#listener.closed(reason);
  }

  protected override expired(): void {
    const what = `${this.#target.url.origin} did not say where messages go within ${this.#endpointMs} ms`;
    this.fail(new GatewayError('UPSTREAM_TIMEOUT', what));
  }

  get #endpointMs(): number {
    return Math.min(this.#target.deadlines.firstByteMs, ENDPOINT_MS);
  }

  /** Said again, it changes nothing: a session is pinned to where it began. */
  #found(text: string): void {
    if (this.#endpoint) return;
    const { url } = this.#target;
    const endpoint = text.length <= LONGEST_ENDPOINT && URL.canParse(text, url.href) ? new URL(text, url) : undefined;
    // Elsewhere, a server could have our credential shown to whomever it likes.
    if (!endpoint || endpoint.origin !== url.origin || endpoint.username || endpoint.password) {
      return this.fail(
        new GatewayError('UPSTREAM_GARBAGE', `${url.origin} wants messages sent to a place that is not its own`, {
          hint: 'The endpoint event of an HTTP+SSE server must name a path on the same origin as its url.',
        }),
      );
    }
    this.stopClock();
    this.#endpoint = endpoint;
    this.#awaited?.resolve(endpoint);
    this.#awaited = undefined;
  }

  #refuse(reason: Error): void {
    this.#awaited?.reject(reason);
    this.#awaited = undefined;
  }

  #explained(reason: Error): GatewayError {
    if (reason instanceof GatewayError) return reason;
    const { origin } = this.#target.url;
    return new GatewayError('UPSTREAM_BROKE', `${origin} broke off its event stream`, { cause: reason });
  }
}
