import type { IncomingMessage } from 'node:http';
import type { Inbound, Upstream } from '../contracts.js';
import type { CircuitState } from '../resilience/circuitBreaker.js';

/** What the probes speak of. */
export interface Health {
  /** Not everything that was asked for is there yet. */
  readonly starting: boolean;
  readonly draining: boolean;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  circuitState(destination: string): CircuitState;
}

type Answer = { status: number; body: object };

/** Probes: alive, started, ready for work. A sick destination doesn't make the process unready: the others still serve. */
export function createProbes(health: () => Health): (path: string, request: IncomingMessage) => Answer | undefined {
  const alive = (): Answer => ({ status: 200, body: { status: 'ok' } });
  const started = (): Answer => (health().starting ? { status: 503, body: { status: 'starting' } } : alive());
  const ready = (request: IncomingMessage): Answer => {
    const { starting, draining, upstreams, circuitState } = health();
    const state = draining ? 'draining' : starting ? 'starting' : 'ready';
    const destinations = Object.fromEntries(
      [...upstreams.keys()].map((name) => [name, { circuit: circuitState(name) }]),
    );
    const details = maySeeDetails(request) ? { destinations } : {};
    return { status: state === 'ready' ? 200 : 503, body: { status: state, ...details } };
  };
  const probes = new Map([
    ['/health/live', alive],
    ['/health/startup', started],
    ['/health/ready', ready],
    ['/health', ready],
    ['/ready', ready],
  ]);
  return (path, request) =>
    request.method === 'GET' || request.method === 'HEAD' ? probes.get(path)?.(request) : undefined;
}

/** Names of destinations are for this machine's own people: not for what a proxy lets through, nor, by Host, for a page whose name was bent to this address. */
function maySeeDetails({ headers, socket }: IncomingMessage): boolean {
  const header = (name: string) => headers[name] as string | undefined;
  return isOurPeople({ header, remoteAddress: socket.remoteAddress ?? '' });
}

/** True for whoever is on this machine and came by nobody's help. */
export function isOurPeople(request: Pick<Inbound, 'header' | 'remoteAddress'>): boolean {
  const { remoteAddress } = request;
  const local = remoteAddress === '127.0.0.1' || remoteAddress === '::1' || remoteAddress === '::ffff:127.0.0.1';
  const direct = ['origin', 'forwarded', 'x-forwarded-for'].every((name) => request.header(name) === undefined);
  return (
    local && direct && /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(request.header('host') ?? 'localhost')
  );
}
