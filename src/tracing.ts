import type { Settings } from './config/settings.js';
import type { Tracer } from './contracts/tracer.js';
import type { Clock, Signals } from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept } from './core/kept.js';
import type { Rest } from './wire/rest.js';

export interface TracingDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly version: string;
  readonly lasting: { readonly kept: Kept; readonly rest: Rest };
  readonly started: Started;
}

/** Undefined where no traces are asked for: nothing of it is loaded then. A reload that leaves them as they were loses no span. */
export async function openTracing({ telemetry }: Settings, deps: TracingDeps): Promise<Tracer | undefined> {
  const { traces } = telemetry;
  if (!traces) return undefined;
  const { clock, signals, version, lasting, started } = deps;
  const [{ createTracer }, { OtlpExporter }] = await Promise.all([
    import('./telemetry/tracer.js'),
    import('./telemetry/otlp.js'),
  ]);
  const kept = await lasting.kept.take(['traces', traces], () => {
    const exporter = new OtlpExporter(traces, { rest: lasting.rest, signals, version });
    const tracer = createTracer({ clock, exporter, sampleRatio: traces.sampleRatio });
    return { tracer, close: () => exporter.close() };
  });
  started.add(() => kept.release());
  return kept.value.tracer;
}
