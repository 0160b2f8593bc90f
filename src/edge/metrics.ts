import type { Exchange, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { splitTarget } from '../wire/paths.js';
import { type AdminDeps, METRICS_PATH } from './admin.js';
import { identified } from './adminRoutesCall.js';
import { type AdminListener, type OwnListenerDeps, ownListener } from './ownListener.js';
import { isOurPeople } from './probes.js';

const PERMISSION = 'admin/metrics/read';

export interface MetricsDoorDeps extends OwnListenerDeps, Pick<AdminDeps, 'identify' | 'permits' | 'challenge'> {
  /** True where only this machine can reach the listener. */
  readonly loopback: boolean;
  read(openMetrics: boolean): Promise<{ readonly mediaType: string; readonly text: string }>;
}

/**
 * `/metrics`. Open where nobody is known, and to this machine's own people on a loopback address; else for whoever may
 * `admin/metrics/read`.
 */
export function createMetricsListener(deps: MetricsDoorDeps): AdminListener {
  return ownListener(async (exchange) => {
    const { method, target } = exchange.request;
    if (splitTarget(target)[0] !== METRICS_PATH) throw new GatewayError('NOT_FOUND', 'there is nothing here');
    if (method !== 'GET' && method !== 'HEAD') throw refuseMethod();
    await assertMayRead(exchange, deps);
    return reply(await deps.read(wantsOpenMetrics(exchange)));
  }, deps);
}

/** @throws GatewayError CALLER_UNKNOWN with the challenge, NOT_PERMITTED */
async function assertMayRead(exchange: Exchange, deps: MetricsDoorDeps): Promise<void> {
  if (!deps.identify || (deps.loopback && isOurPeople(exchange.request))) return;
  const principal = await identified(exchange, deps);
  if (deps.permits(principal, PERMISSION)) return;
  throw new GatewayError('NOT_PERMITTED', 'you may not do this', { hint: `It takes the permission ${PERMISSION}.` });
}

/** Prometheus says which it reads, the one it likes best first; whoever says nothing gets the older form. */
function wantsOpenMetrics({ request }: Exchange): boolean {
  return /(?:^|,)\s*application\/openmetrics-text\s*(?:[;,]|$)/i.test(request.header('accept') ?? '');
}

function reply({ mediaType, text }: { readonly mediaType: string; readonly text: string }): Reply {
  const body = Buffer.from(text);
  const headers = ['content-type', mediaType, 'content-length', String(body.length)];
  return { status: 200, headers, body, origin: 'gateway' };
}

function refuseMethod(): GatewayError {
  return new GatewayError('METHOD_NOT_ALLOWED', 'the path does not take this method', {
    hint: 'Use GET.',
    headers: ['allow', 'GET, HEAD'],
  });
}
