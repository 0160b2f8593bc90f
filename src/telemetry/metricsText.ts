import prom from 'prom-client';
import type { MetricFamily } from './metricsTable.js';

/** What Prometheus reads. */
export interface MetricsText {
  readonly mediaType: string;
  readonly text: string;
}

/** Watches this process (heap, memory, descriptors, event loop, collections) from its first reading on. */
export class ProcessMetrics {
  readonly #registry = new prom.Registry();

  constructor() {
    prom.collectDefaultMetrics({ register: this.#registry });
  }

  async families(): Promise<MetricFamily[]> {
    const metrics = (await this.#registry.getMetricsAsJSON()) as unknown as MetricFamily[];
    return metrics.map(({ name, help, type, aggregator, values }) => ({ name, help, type, aggregator, values }));
  }
}

/** One text of what one or several processes have counted. */
export async function renderMetrics(
  processes: readonly (readonly MetricFamily[])[],
  openMetrics: boolean,
): Promise<MetricsText> {
  const alone = processes.length === 1;
  const families = processes.map((all) => all.map((family) => prepared(family, alone, openMetrics)));
  const registry: prom.Registry<prom.RegistryContentType> = prom.AggregatorRegistry.aggregate(families);
  registry.setContentType(openMetrics ? prom.openMetricsContentType : prom.prometheusContentType);
  return { mediaType: registry.contentType, text: await registry.metrics() };
}

/** What several processes' values can't make together is still good of one; OpenMetrics puts `_total` behind each sample itself. */
function prepared(family: MetricFamily, alone: boolean, openMetrics: boolean): MetricFamily {
  const name = openMetrics && family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name;
  return { ...family, name, aggregator: alone ? 'first' : family.aggregator };
}
