import type { Upstream } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { Seal } from '../../src/core/seal.js';
import { PoolRoutes } from '../../src/gateway/poolRoutes.js';
import { createProxyClient } from '../../src/gateway/proxyClient.js';
import { Breakers } from '../../src/resilience/breakers.js';
import { callRules } from '../../src/resilience/callRules.js';
import { BalancedPool } from '../../src/resilience/pool.js';
import { poolSchema } from '../../src/resilience/poolSchema.js';
import { RetryBudget } from '../../src/resilience/retry.js';
import type { OtlpSpan } from '../../src/telemetry/otlp.js';
import { createTracer } from '../../src/telemetry/tracer.js';
import { FakeBroker, FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const MEMBERS = ['one.example.com', 'two.example.com'];
const circuitBreaker = { failures: 5, resetMs: 30_000, per: [] };
const retry = { attempts: 2, baseMs: 1, maxMs: 10, unsafe: false };

/** The spans of a call to a pool whose members fail in that way before anything is sent, and where it was sent. */
async function callsOf(failing: number) {
  const clock = new FakeClock();
  const deps = { clock, signals: new FakeSignals() };
  const urls = MEMBERS.map((host) => ({ url: new URL(`https://${host}/mcp`), weight: 1 }));
  const sent: [host: string, traceparent: string | undefined][] = [];
  const upstream: Upstream = {
    name: 'ai',
    strategy: 'PROXY',
    allowedOrigins: [],
    allowPrivate: false,
    pool: new BalancedPool('ai', urls, { ...poolSchema.parse({}), sticky: false }, deps),
    safeToRepeat: () => false,
    resolve: (base) => base,
    send: async (_exchange, { route, trace }) => {
      sent.push([route.url.hostname, trace?.[1]]);
      if (sent.length <= failing) throw new GatewayError('UPSTREAM_UNREACHABLE', 'refused', { neverSent: true });
      return { status: 200, headers: [], body: null, origin: 'upstream' };
    },
    close: async () => {},
  };
  const breakers = new Breakers('ai', circuitBreaker, deps);
  const guards = { breakers, budget: new RetryBudget(clock), rules: callRules({ retry, circuitBreaker }, undefined) };
  const spans: OtlpSpan[] = [];
  const tracer = createTracer({ clock, sampleRatio: 1, exporter: { add: (more) => void spans.push(...more) } });
  const url = urls[0]?.url as URL;
  const route = { destination: 'ai', upstream, url, publicOnly: false, credential: undefined };
  const exchange = fakeExchange(fakeInbound('/mcp'), { call: fakeCall('tools/call', 'act'), route });
  exchange.trace = tracer.open(exchange);
  const client = createProxyClient({
    ...deps,
    broker: new FakeBroker(),
    protection: () => guards,
    pools: new PoolRoutes(new Seal()),
  });
  await Promise.resolve(client(exchange)).catch(() => {});
  tracer.ended(exchange, 'complete', 200);
  breakers.close();
  return { sent, tries: spans.slice(1) };
}

function said({ attributes }: OtlpSpan, name: string): unknown {
  return attributes.find(({ key }) => key === name)?.value;
}

describe('the trace of a call to a pool', () => {
  it('has a span of each attempt, with the member that it went to, whose parent that member hears of', async () => {
    const { sent, tries } = await callsOf(1);
    expect(sent.map(([host]) => host).sort()).toEqual(MEMBERS);
    expect(tries.map((span) => said(span, 'server.address'))).toEqual(sent.map(([host]) => ({ stringValue: host })));
    expect(tries.map(({ spanId }) => spanId)).toEqual(sent.map(([, line]) => line?.split('-')[2]));
    expect(tries.map((span) => said(span, 'error.type'))).toEqual([{ stringValue: 'UPSTREAM_UNREACHABLE' }, undefined]);
  });

  it('tells which member failed last', async () => {
    const { sent, tries } = await callsOf(2);
    expect(tries.map((span) => said(span, 'server.address'))).toEqual(sent.map(([host]) => ({ stringValue: host })));
  });
});
