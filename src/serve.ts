import { type App, createApp } from './app.js';
import type { Settings } from './config/settings.js';
import type { Clock, Signals } from './contracts.js';
import { systemClock } from './core/async.js';
import { createProbes } from './edge/probes.js';
import { EdgeServer } from './edge/server.js';
import { isLoopbackBind } from './gateway/guard.js';
import { createLog } from './telemetry/logManager.js';
import { createSignals } from './telemetry/signals.js';

/** A running proxy. */
export interface Serving {
  /** Where it listens, such as `http://127.0.0.1:3001`. */
  readonly url: string;
  readonly signals: Signals;
  /** Refuses new work, lets running work finish for `drainMs`, and frees everything. True when nothing had to be cut. */
  stop(): Promise<boolean>;
}

export interface ServeDeps {
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly clock?: Clock;
}

/** Starts the HTTP proxy. Rejects when the port can't be had or a kind can't start. */
export async function serve(settings: Settings, deps: ServeDeps): Promise<Serving> {
  const clock = deps.clock ?? systemClock;
  const format = settings.telemetry.logFormat ?? (deps.stderr.isTTY ? 'pretty' : 'json');
  const signals = createSignals(createLog({ level: settings.telemetry.logLevel, format, stream: deps.stderr }));
  for (const notice of settings.notices) signals.emit('config.notice', { notice });

  const app = await createApp(settings, { clock, signals });
  const server = listenFor(app, { clock, signals });
  const url = await server.listen(settings.server.host, settings.server.port).catch(async (error) => {
    await app.close();
    throw error;
  });
  if (!isLoopbackBind(settings.server.host)) signals.emit('server.exposed', { host: settings.server.host });
  signals.emit('server.listening', { url, destinations: [...app.upstreams.keys()] });
  return {
    url,
    signals,
    stop: async () => {
      signals.emit('server.draining', { drainMs: settings.server.drainMs });
      const clean = await server.drain(settings.server.drainMs);
      await app.close();
      signals.emit('server.stopped', { clean });
      return clean;
    },
  };
}

function listenFor(app: App, deps: { clock: Clock; signals: Signals }): EdgeServer {
  const server: EdgeServer = new EdgeServer({
    ...deps,
    doors: () => app.doors,
    probe: createProbes(() => ({
      draining: server.draining,
      upstreams: app.upstreams,
      circuitState: app.circuitState,
    })),
  });
  return server;
}
