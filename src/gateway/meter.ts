import type { Exchange, Flow, Outcome, Reply, Sink } from '../contracts.js';
import { asObject, parsedObject } from '../core/json.js';
import type { Metrics } from '../telemetry/metrics.js';
import { headerValue, isEventStream } from '../wire/headers.js';
import { readEvents } from '../wire/sse.js';

/** Counts exchanges on their way out. */
export interface Meter {
  began(): void;
  /** The answer as it goes on: the same one, or the same one overheard. */
  answered(exchange: Exchange, reply: Reply): Reply;
  ended(exchange: Exchange, outcome: Outcome, status: number): void;
}

/** An answer past this isn't read for the sake of a name. */
const MOST_BYTES = 256 * 1024;

/**
 * Feeds the metrics. The answer of a tool that is not counted by name yet is overheard once: only one that answers well is
 * a tool, anything else is a name that somebody made up.
 */
export function createMeter(metrics: Metrics): Meter {
  return {
    began: () => metrics.began(),
    ended: (exchange, outcome, status) => metrics.ended(exchange, outcome, status),
    answered(exchange, reply) {
      if (exchange.call === undefined) return reply;
      metrics.answered(exchange, reply.status);
      if (reply.status !== 200 || !metrics.isNewTool(exchange)) return reply;
      return overheard(reply, () => metrics.nameTool(exchange));
    },
  };
}

function overheard(reply: Reply, good: () => void): Reply {
  const { body, headers } = reply;
  // What is compressed isn't read: the tool goes by no name of its own until an answer of it can be.
  if (headerValue(headers, 'content-encoding') !== undefined) return reply;
  const judge = (bytes: Buffer) => {
    if (answersWell(bytes, isEventStream(headers))) good();
  };
  if (Buffer.isBuffer(body)) {
    if (body.length <= MOST_BYTES) judge(body);
    return reply;
  }
  if (typeof body !== 'function') return reply;
  return { ...reply, body: (sink): Flow => body(new Overhearing(sink, judge)) };
}

/** True for a result that isn't a tool's own error. */
function answersWell(bytes: Buffer, streamed: boolean): boolean {
  const texts = streamed ? readEvents(bytes).map(({ data }) => data ?? '') : [bytes.toString()];
  return texts.some((text) => text !== '' && isGoodResult(text));
}

function isGoodResult(text: string): boolean {
  const result = asObject(parsedObject(text)?.result);
  return result !== undefined && result.isError !== true;
}

/** Passes a body on as it comes, and hands over a copy of it before its end is passed on. */
class Overhearing implements Sink {
  readonly #sink: Sink;
  readonly #judge: (bytes: Buffer) => void;
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;

  constructor(sink: Sink, judge: (bytes: Buffer) => void) {
    this.#sink = sink;
    this.#judge = judge;
  }

  write(chunk: Buffer): boolean {
    this.#take(chunk);
    return this.#sink.write(chunk);
  }

  end(chunk?: Buffer): void {
    if (chunk) this.#take(chunk);
    if (this.#chunks) this.#judge(Buffer.concat(this.#chunks));
    this.#chunks = undefined;
    this.#sink.end(chunk);
  }

  fail(reason: Error): void {
    this.#chunks = undefined;
    this.#sink.fail(reason);
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MOST_BYTES) this.#chunks = undefined;
    this.#chunks?.push(chunk);
  }
}
