import type { Attributes } from '../contracts/tracing.js';
import type { RestRequest, RestResponse, Signals } from '../contracts.js';

/** A span that is over, as OTLP has it; times are nanoseconds of the epoch, as digits. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: 1 | 2 | 3;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 2: an error. */
  readonly status?: { readonly code: 2; readonly message?: string };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value:
    | { readonly stringValue: string }
    | { readonly boolValue: boolean }
    | { readonly intValue: string }
    | { readonly doubleValue: number };
}

export interface OtlpOptions {
  readonly endpoint: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly exportEveryMs: number;
}

export interface OtlpDeps {
  rest(request: RestRequest): Promise<RestResponse>;
  readonly signals: Signals;
  readonly version: string;
}

/** Spans of one request to the collector. */
const BATCH = 512;
/** Spans that wait; what comes past that is dropped and counted. */
const MOST_WAITING = 4_096;
/** A collector that is down is asked this seldom. Milliseconds. */
const LONGEST_PAUSE_MS = 60_000;
/** What is left at the end gets this long. Milliseconds. */
const LAST_CHANCE_MS = 2_000;
/** Statuses after which the same spans may be sent again (OTLP, "Failures"); everything else below 500 says that they are bad. */
const AGAIN = new Set([429, 502, 503, 504]);

/**
 * Sends spans to a collector by OTLP/HTTP in its JSON encoding, in batches, behind everybody's back: no call ever waits for
 * it. A collector that doesn't answer costs spans, never more than so much memory.
 */
export class OtlpExporter {
  readonly #options: OtlpOptions;
  readonly #deps: OtlpDeps;
  readonly #closing = new AbortController();
  readonly #url: string;
  #waiting: OtlpSpan[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #pauseMs: number;
  #lost = false;

  constructor(options: OtlpOptions, deps: OtlpDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#pauseMs = options.exportEveryMs;
    this.#url = tracesUrl(options.endpoint);
  }

  add(spans: readonly OtlpSpan[]): void {
    const room = MOST_WAITING - this.#waiting.length;
    if (spans.length > room) this.#dropped += spans.length - Math.max(0, room);
    for (const span of spans.slice(0, Math.max(0, room))) this.#waiting.push(span);
    this.#later();
  }

  /** Sends what waits, for a last time. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const late = setTimeout(() => this.#closing.abort(), LAST_CHANCE_MS);
    await this.#sending;
    while (this.#waiting.length > 0 && !this.#closing.signal.aborted && (await this.#sendBatch()));
    clearTimeout(late);
    this.#closing.abort();
  }

  #later(): void {
    if (this.#closing.signal.aborted || this.#timer || this.#sending) return;
    const pause = this.#waiting.length >= BATCH && !this.#lost ? 0 : this.#pauseMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#sendBatch().then(() => {
        this.#sending = undefined;
        if (this.#waiting.length > 0) this.#later();
      });
    }, pause);
    this.#timer.unref();
  }

  /** True where the next batch may follow. Never rejects. */
  async #sendBatch(): Promise<boolean> {
    const batch = this.#waiting.slice(0, BATCH);
    const outcome = await this.#post(batch);
    if (outcome !== 'again') this.#waiting = this.#waiting.slice(batch.length);
    return outcome === 'taken';
  }

  async #post(batch: readonly OtlpSpan[]): Promise<'taken' | 'again' | 'refused'> {
    const body = JSON.stringify(this.#envelope(batch));
    const headers = { ...this.#options.headers, 'content-type': 'application/json' };
    try {
      const answer = await this.#deps.rest({
        method: 'POST',
        url: this.#url,
        headers,
        body,
        signal: this.#closing.signal,
      });
      if (answer.status < 300) return this.#taken(answer.body);
      const again = AGAIN.has(answer.status) || answer.status >= 500;
      return this.#failed(`the collector answers ${answer.status}`, again ? 0 : batch.length);
    } catch (error) {
      return this.#failed(error instanceof Error ? error.message : String(error), 0);
    }
  }

  /** `refused`: how many spans are lost by it. */
  #failed(reason: string, refused: number): 'again' | 'refused' {
    this.#dropped += refused;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    if (!this.#lost && !this.#closing.signal.aborted) this.#deps.signals.emit('traces.lost', { reason });
    this.#lost = true;
    return refused > 0 ? 'refused' : 'again';
  }

  #taken(answer: string): 'taken' {
    this.#dropped += rejectedOf(answer);
    this.#pauseMs = this.#options.exportEveryMs;
    if (this.#lost || this.#dropped > 0) this.#deps.signals.emit('traces.back', { dropped: this.#dropped });
    this.#lost = false;
    this.#dropped = 0;
    return 'taken';
  }

  #envelope(spans: readonly OtlpSpan[]): object {
    const { version } = this.#deps;
    const resource = { 'service.name': this.#options.serviceName, 'service.version': version || undefined };
    const scope = { name: 'mcp-drawbridge', ...(version ? { version } : {}) };
    return {
      resourceSpans: [{ resource: { attributes: otlpAttributes(resource) }, scopeSpans: [{ scope, spans }] }],
    };
  }
}

export function otlpAttributes(attributes: Attributes): OtlpAttribute[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: otlpValue(value) }],
  );
}

/** 64-bit numbers are text in protobuf's JSON. */
function otlpValue(value: string | number | boolean): OtlpAttribute['value'] {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** An address without a path is a collector's own: it takes traces at `/v1/traces`. */
function tracesUrl(endpoint: URL): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}

/** Spans that the collector took no further, though it took the request. */
function rejectedOf(answer: string): number {
  try {
    const { partialSuccess } = JSON.parse(answer || '{}') as { partialSuccess?: { rejectedSpans?: unknown } };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}
