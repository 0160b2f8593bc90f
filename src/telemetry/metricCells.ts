import { METRICS, type MetricFamily, type MetricName, type Sample } from './metricsTable.js';

/** What names are counted under that found no room, or that nobody knows (OpenTelemetry's word). No destination can be called so. */
export const OTHER = '_OTHER';

/** Values by a name; past so many names the others share one, so that nobody can fill a memory with names. */
export class Bounded<Value> {
  readonly #values = new Map<string, Value>();
  readonly #most: number;
  readonly #make: () => Value;

  constructor(most: number, make: () => Value) {
    this.#most = most;
    this.#make = make;
  }

  get full(): boolean {
    return this.#values.size >= this.#most;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name);
  }

  of(name: string): Value {
    return this.#values.get(name) ?? this.#add(name);
  }

  other(): Value {
    return this.#values.get(OTHER) ?? this.#keep(OTHER);
  }

  entries(): Iterable<[string, Value]> {
    return this.#values;
  }

  #add(name: string): Value {
    return this.full ? this.other() : this.#keep(name);
  }

  #keep(name: string): Value {
    const value = this.#make();
    this.#values.set(name, value);
    return value;
  }
}

/** Durations in buckets: an observation is a few comparisons and two additions. Seconds. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += seconds;
  }

  samples(name: string, labels: Sample['labels']): Sample[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, bucket): Sample => {
      count += this.#counts[bucket] as number;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** Gathers values for one reading of all metrics. */
export class Sheet {
  readonly #values = new Map<string, Sample[]>();

  put(name: MetricName, labels: Sample['labels'], value: number): void {
    this.#of(name).push({ labels, value });
  }

  histogram(name: MetricName, labels: Sample['labels'], histogram: Histogram): void {
    this.#of(name).push(...histogram.samples(name, labels));
  }

  /** Those that have values, in the order of the table. */
  families(): MetricFamily[] {
    return Object.entries(METRICS).flatMap(([name, row]) => {
      const values = this.#values.get(name);
      const aggregator = 'aggregator' in row ? row.aggregator : 'sum';
      return values ? [{ name, type: row.type, help: row.help, aggregator, values }] : [];
    });
  }

  #of(name: MetricName): Sample[] {
    const values = this.#values.get(name) ?? [];
    this.#values.set(name, values);
    return values;
  }
}
