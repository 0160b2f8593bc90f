import type { Callers, Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { AuthBroker, Clock, Upstream } from './contracts.js';
import { createMeter, type Meter } from './gateway/meter.js';
import type { Protection } from './gateway/proxyClient.js';
import type { Readings } from './telemetry/destinationMetrics.js';
import { Metrics } from './telemetry/metrics.js';
import type { MetricFamily } from './telemetry/metricsTable.js';
import type { MetricsText, ProcessMetrics } from './telemetry/metricsText.js';

/** The fellow workers of a process. */
export interface CrewMetrics {
  /** What each of them has counted, `own` included, as far as they answer in time. */
  gather(own: readonly MetricFamily[]): Promise<readonly (readonly MetricFamily[])[]>;
  /** How this process tells when another one is asked. */
  tell(own: () => Promise<readonly MetricFamily[]>): void;
}

/** What counts, for as long as the process lives, and how that is read. */
export interface Metering {
  readonly metrics: Metrics;
  readonly meter: Meter;
  text(openMetrics: boolean): Promise<MetricsText>;
}

interface MeteringDeps {
  readonly clock: Clock;
  readonly version: string;
  readonly crew?: CrewMetrics;
}

/** Undefined where nothing is to be counted. prom-client is loaded when somebody reads for the first time. */
export function createMetering(
  { enabled, ...bounds }: Settings['telemetry']['metrics'],
  { clock, version, crew }: MeteringDeps,
  readings: () => Readings,
): Metering | undefined {
  if (!enabled) return undefined;
  const metrics = new Metrics(bounds, clock, version);
  let process: ProcessMetrics | undefined;
  const own = async () => {
    const { ProcessMetrics } = await import('./telemetry/metricsText.js');
    process ??= new ProcessMetrics();
    return [...metrics.collect(readings()), ...(await process.families())];
  };
  crew?.tell(own);
  return {
    metrics,
    meter: createMeter(metrics),
    text: async (openMetrics) => {
      const { renderMetrics } = await import('./telemetry/metricsText.js');
      const families = await own();
      return renderMetrics(crew ? await crew.gather(families) : [families], openMetrics);
    },
  };
}

export interface ReadingParts {
  readonly broker: AuthBroker;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly protections: ReadonlyMap<string, Protection>;
  readonly callers: Callers;
}

/** What there is to be read of one configuration. */
export function readingsOf({ broker, upstreams, protections, callers }: ReadingParts, lasting: Lasting): Readings {
  const { recall } = callers;
  return {
    circuits: [...protections].map(([destination, { breakers }]) => ({ destination, state: breakers.whole.state })),
    pools: new Map([...upstreams].flatMap(([name, { pool }]) => (pool ? [[name, pool.members] as const] : []))),
    tokens: broker.list(),
    cache: recall && { ...recall.stats(), destinations: recall.asked() },
    sessions: lasting.sessions.counts(),
    auditWaiting: lasting.audits?.waiting ?? 0,
  };
}
