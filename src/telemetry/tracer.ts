import type { Tracer } from '../contracts/tracer.js';
import type { Attributes, Step, Trace, TraceContext } from '../contracts/tracing.js';
import type { Clock, Exchange, HeaderLines, Outcome } from '../contracts.js';
import { exchangeAttributes, exchangeFault, spanName } from './exchangeSpan.js';
import { type OtlpSpan, otlpAttributes } from './otlp.js';
import { Ids, type Parent, parseTraceparent, traceparent } from './traceContext.js';

export interface TracerDeps {
  readonly clock: Clock;
  /** Of the exchanges that no caller has decided about: the share that is recorded. */
  readonly sampleRatio: number;
  readonly exporter: { add(spans: readonly OtlpSpan[]): void };
}

/** Steps of one exchange that are kept; a federation has more than most. */
const MOST_STEPS = 128;
const LONGEST_STATE = 512;
const LONGEST_BAGGAGE = 8_192;

/** Records one span per exchange, and one per step of it. */
export function createTracer(deps: TracerDeps): Tracer {
  const ids = new Ids();
  return {
    open(exchange) {
      const { request } = exchange;
      const parent = parseTraceparent(request.header('traceparent'));
      if (parent && !parent.sampled) return undefined;
      const sampled = parent !== undefined || deps.clock.random() < deps.sampleRatio;
      const orphan = !parent && request.header('tracestate') !== undefined;
      return new ExchangeTrace(deps, ids, { parent, sampled, orphan, startedAt: exchange.startedAt });
    },
    ended(exchange, outcome, status) {
      if (exchange.trace instanceof ExchangeTrace) exchange.trace.end(exchange, outcome, status);
    },
  };
}

interface Beginning {
  readonly parent: Parent | undefined;
  readonly sampled: boolean;
  /** The caller's `tracestate` belongs to no trace that we could read. */
  readonly orphan: boolean;
  /** Of the monotonic clock. */
  readonly startedAt: number;
}

class ExchangeTrace implements Trace {
  readonly #deps: TracerDeps;
  readonly #ids: Ids;
  readonly #spanId: string;
  readonly #startedAt: number;
  /** What the monotonic clock lacks to the epoch. Milliseconds. */
  readonly #offset: number;
  readonly #steps: OpenStep[] = [];
  readonly #links: Parent[] = [];
  #traceId: string;
  #parentId: string | undefined;
  #sampled: boolean;
  /** What goes on besides `traceparent`. */
  #besides: readonly string[];
  /** An upstream has been told: the trace can't become another one. */
  #told = false;

  constructor(deps: TracerDeps, ids: Ids, { parent, sampled, orphan, startedAt }: Beginning) {
    this.#deps = deps;
    this.#ids = ids;
    this.#spanId = ids.span();
    this.#startedAt = startedAt;
    this.#offset = deps.clock.now() - deps.clock.monotonic();
    this.#traceId = parent?.traceId ?? ids.trace();
    this.#parentId = parent?.spanId;
    this.#sampled = sampled;
    this.#besides = orphan ? ['tracestate', ''] : [];
  }

  get traceId(): string {
    return this.#traceId;
  }

  step(name: string, { client, under }: Parameters<Trace['step']>[1] = {}): Step | undefined {
    if (!this.#sampled || this.#steps.length >= MOST_STEPS) return undefined;
    const parentId = spanIdOf(under) ?? this.#spanId;
    const step = new OpenStep(this.#deps.clock, { name, spanId: this.#ids.span(), parentId, client: client === true });
    this.#steps.push(step);
    return step;
  }

  onwards(step?: Step): HeaderLines {
    this.#told = true;
    const spanId = step instanceof OpenStep ? step.spanId : this.#spanId;
    const line = traceparent({ traceId: this.#traceId, spanId, sampled: this.#sampled });
    return ['traceparent', line, ...this.#besides];
  }

  join(told: TraceContext): void {
    const parent = parseTraceparent(told.traceparent);
    if (!parent || parent.spanId === this.#parentId) return;
    if (this.#parentId !== undefined || this.#told) return void this.#links.push(parent);
    this.#traceId = parent.traceId;
    this.#parentId = parent.spanId;
    this.#sampled = parent.sampled;
    this.#besides = [
      ...line('tracestate', told.tracestate, LONGEST_STATE),
      ...line('baggage', told.baggage, LONGEST_BAGGAGE),
    ];
  }

  end(exchange: Exchange, outcome: Outcome, status: number): void {
    if (!this.#sampled) return;
    const endedAt = this.#deps.clock.monotonic();
    const fault = exchangeFault(exchange, outcome, status);
    const own: OtlpSpan = {
      ...this.#span(this.#spanId, this.#parentId, this.#startedAt, endedAt),
      name: spanName(exchange),
      kind: 2,
      attributes: otlpAttributes(exchangeAttributes(exchange, outcome, status)),
      ...(this.#links.length > 0 ? { links: this.#links.map(({ traceId, spanId }) => ({ traceId, spanId })) } : {}),
      ...(fault === undefined ? {} : { status: { code: 2, message: fault } }),
    };
    this.#deps.exporter.add([own, ...this.#steps.map((step) => this.#stepSpan(step, endedAt))]);
  }

  #stepSpan(
    { name, client, spanId, parentId, startedAt, endedAt, attributes, error }: OpenStep,
    latest: number,
  ): OtlpSpan {
    return {
      ...this.#span(spanId, parentId, startedAt, endedAt ?? latest),
      name,
      kind: client ? 3 : 1,
      attributes: otlpAttributes({ ...attributes, 'error.type': error }),
      ...(error === undefined ? {} : { status: { code: 2 } }),
    };
  }

  #span(spanId: string, parentSpanId: string | undefined, startedAt: number, endedAt: number) {
    return {
      traceId: this.#traceId,
      spanId,
      ...(parentSpanId === undefined ? {} : { parentSpanId }),
      startTimeUnixNano: nanos(startedAt + this.#offset),
      endTimeUnixNano: nanos(endedAt + this.#offset),
    };
  }
}

/** Of a step, or of the lines that tell of it. */
function spanIdOf(under: Step | HeaderLines | undefined): string | undefined {
  if (under instanceof OpenStep) return under.spanId;
  return Array.isArray(under) ? parseTraceparent(under[1])?.spanId : undefined;
}

/** A step, over or not. */
class OpenStep implements Step {
  readonly name: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly client: boolean;
  readonly startedAt: number;
  endedAt: number | undefined;
  attributes: Attributes = {};
  error: string | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock, of: Pick<OpenStep, 'name' | 'spanId' | 'parentId' | 'client'>) {
    this.#clock = clock;
    this.name = of.name;
    this.spanId = of.spanId;
    this.parentId = of.parentId;
    this.client = of.client;
    this.startedAt = clock.monotonic();
  }

  end(attributes: Attributes = {}, error?: string): void {
    if (this.endedAt !== undefined) return;
    this.endedAt = this.#clock.monotonic();
    this.attributes = attributes;
    this.error = error;
  }
}

/** Nanoseconds, as digits: no number holds them. */
function nanos(ms: number): string {
  const whole = Math.floor(ms);
  const rest = Math.min(999_999, Math.round((ms - whole) * 1_000_000));
  return `${whole}${String(rest).padStart(6, '0')}`;
}

/** A caller's text as a header line; nothing where it can't be one. */
function line(name: string, value: string | undefined, longest: number): string[] {
  return value !== undefined && value.length <= longest && /^[\x20-\x7e]+$/.test(value) ? [name, value] : [];
}
