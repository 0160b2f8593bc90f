import fs from 'node:fs';
import type { Exchange, Outcome } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import type { Readings } from '../../src/telemetry/destinationMetrics.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { METRICS, type MetricFamily } from '../../src/telemetry/metricsTable.js';
import { renderMetrics } from '../../src/telemetry/metricsText.js';
import { FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const NOTHING: Readings = {
  circuits: [],
  pools: new Map(),
  tokens: [],
  cache: undefined,
  sessions: new Map(),
  auditWaiting: 0,
};

describe('metrics', () => {
  let clock: FakeClock;
  let metrics: Metrics;

  beforeEach(() => {
    clock = new FakeClock();
    metrics = new Metrics({ maxDestinations: 3, maxTools: 2, maxTenants: 2 }, clock, '1.2.3');
  });

  const exchangeOf = (destination: string, method: string, name?: string, more: Partial<Exchange> = {}) =>
    fakeExchange(fakeInbound('/mcp'), {
      call: fakeCall(method, name),
      decision: { strategy: 'PROXY', destination, by: 'path' },
      startedAt: clock.time,
      ...more,
    });

  function pass(exchange: Exchange, status = 200, outcome: Outcome = 'complete'): void {
    metrics.began();
    metrics.answered(exchange, status);
    metrics.ended(exchange, outcome, status);
  }

  /** The samples of a metric, as Prometheus would read them. */
  const read = async (name: string, readings: Readings = NOTHING): Promise<string[]> => {
    const { text } = await renderMetrics([metrics.collect(readings)], false);
    return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  };

  it('are the table of docs/metrics.md, row by row', () => {
    const rows = fs
      .readFileSync('docs/metrics.md', 'utf8')
      .split('\n')
      .filter((line) => /^\| `\w+` \| (counter|gauge|histogram) /.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(rows).toEqual(
      Object.entries(METRICS).map(([name, { type, labels, help }]) => [
        `\`${name}\``,
        type,
        labels.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    );
  });

  it('carry the labels of their row and no others, whatever happens', () => {
    const tenant = { subject: 'keys:s3cret', tenant: 'acme', roles: [], claims: {} };
    const failure = new GatewayError('QUOTA_EXCEEDED', 'too much', { limit: 'perCaller' });
    const call = exchangeOf('ai', 'tools/call', 'echo', { principal: tenant });
    metrics.nameTool(call);
    pass(call);
    pass(exchangeOf('ai', 'tools/call', 'echo', { failure }), 429);
    const signals = metrics.listen(new FakeSignals());
    for (const name of [
      'attempt.repeated',
      'attempt.replayed',
      'attempt.budget-spent',
      'circuit.opened',
      'pool.member-ejected',
    ])
      signals.emit(name, { destination: 'ai' });
    for (const name of ['token.acquired', 'token.rejected']) signals.emit(name, { credential: 'ai' });
    const families = metrics.collect({
      circuits: [{ destination: 'ai', state: 'open' }],
      pools: new Map([
        ['ai', [{ url: new URL('https://a.example.com/mcp?key=x'), state: 'serving' as const, inFlight: 1 }]],
      ]),
      tokens: [{ name: 'ai', expiresAt: 5_000 }],
      cache: { entries: 1, bytes: 2, destinations: new Map([['ai', { hits: 1, misses: 2 }]]) },
      sessions: new Map([['ai', 3]]),
      auditWaiting: 0,
    });
    expect(families.map(({ name }) => name)).toEqual(Object.keys(METRICS));
    for (const { name, values } of families) {
      const { labels } = METRICS[name as keyof typeof METRICS];
      for (const sample of values) {
        expect(
          Object.keys(sample.labels)
            .filter((label) => label !== 'le')
            .sort(),
        ).toEqual([...labels].sort());
      }
    }
    expect(JSON.stringify(families)).not.toContain('s3cret');
  });

  it('count a request by what became of it, and how long it took', async () => {
    const exchange = exchangeOf('ai', 'tools/list');
    metrics.began();
    expect(await read('http_server_active_requests')).toEqual(['http_server_active_requests 1']);
    clock.time += 30;
    exchange.costs.attempts = 2;
    metrics.ended(exchange, 'upstream-broke', 200);
    expect(await read('http_server_active_requests')).toEqual(['http_server_active_requests 0']);
    expect(await read('mcp_drawbridge_requests_total')).toEqual([
      'mcp_drawbridge_requests_total{strategy="PROXY",destination="ai",mcp_method_name="tools/list",status="2xx",outcome="upstream-broke"} 1',
    ]);
    expect(await read('mcp_drawbridge_attempts_total')).toEqual(['mcp_drawbridge_attempts_total{destination="ai"} 2']);
    const buckets = await read('mcp_server_operation_duration_seconds_bucket');
    expect(buckets.slice(0, 3).map((line) => line.slice(line.indexOf('{')))).toEqual([
      '{le="0.01",destination="ai",mcp_method_name="tools/list"} 0',
      '{le="0.02",destination="ai",mcp_method_name="tools/list"} 0',
      '{le="0.05",destination="ai",mcp_method_name="tools/list"} 1',
    ]);
    expect(buckets.at(-1)).toMatch(/le="\+Inf".* 1$/);
    expect((await read('http_server_request_duration_seconds_sum'))[0]).toMatch(/ 0\.03$/);
  });

  it('make no series of names that a caller made up', async () => {
    for (let count = 0; count < 50; count += 1) {
      pass(exchangeOf('ai', `made/up-${count}`));
      pass(exchangeOf('ai', 'tools/call', `made-up-${count}`));
      const request = fakeInbound('/mcp', {}, `M${count}`);
      pass(fakeExchange(request, { startedAt: clock.time }), 400);
    }
    const text = JSON.stringify(metrics.collect(NOTHING));
    expect(text).not.toMatch(/made|M\d/);
    expect(await read('mcp_drawbridge_tool_calls_total')).toEqual([
      'mcp_drawbridge_tool_calls_total{destination="ai",gen_ai_tool_name="_OTHER",status="2xx"} 50',
    ]);
  });

  it('name a tool once it has answered well, and no more tools than their bound', async () => {
    for (const name of ['one', 'two', 'three']) {
      const exchange = exchangeOf('ai', 'tools/call', name);
      if (metrics.isNewTool(exchange)) metrics.nameTool(exchange);
      pass(exchange);
    }
    const named = (await read('mcp_drawbridge_tool_calls_total')).map((line) => /name="(\w+)"/.exec(line)?.[1]);
    expect(named).toEqual(['one', 'two', '_OTHER']);
    expect(metrics.isNewTool(exchangeOf('b', 'tools/call', 'x,status:2xx\n'))).toBe(false);
  });

  it('keep destinations and tenants within their bounds', async () => {
    for (let count = 0; count < 10; count += 1) {
      const principal = { subject: 's', tenant: `t${count}`, roles: [], claims: {} };
      pass(exchangeOf(`d${count}`, 'ping', undefined, { principal }));
    }
    const labelsOf = (lines: string[], label: string) =>
      new Set(lines.map((line) => new RegExp(`${label}="(\\w+)"`).exec(line)?.[1]));
    const tenants = await read('mcp_drawbridge_tenant_requests_total');
    expect([...labelsOf(tenants, 'tenant')]).toEqual(['t0', 't1', '_OTHER']);
    expect([...labelsOf(await read('mcp_drawbridge_attempts_total'), 'destination')]).toEqual([
      'd0',
      'd1',
      'd2',
      '_OTHER',
    ]);
  });

  it('count signals on their way to the log, whether that wants them or not', async () => {
    const log = { emit: () => {}, enabled: () => false };
    const signals = metrics.listen(log);
    signals.emit('token.failed', { credential: 'ai', reason: 'a secret reason' });
    signals.emit('audit.dropped', { count: 7 });
    signals.emit('exchange', {});
    expect(signals.enabled('exchange')).toBe(false);
    expect(await read('mcp_drawbridge_token_requests_total')).toEqual([
      'mcp_drawbridge_token_requests_total{credential="ai",result="failed"} 1',
    ]);
    expect(await read('mcp_drawbridge_audit_dropped_total')).toEqual(['mcp_drawbridge_audit_dropped_total 7']);
    expect(await read('mcp_drawbridge_signals_total')).toHaveLength(2);
  });

  it('know how many listen', async () => {
    const stream = exchangeOf('ai', 'ping', undefined, { call: { kind: 'stream', era: 'legacy', body: null } });
    metrics.began();
    metrics.answered(stream, 200);
    expect(await read('mcp_drawbridge_streams')).toEqual(['mcp_drawbridge_streams{destination="ai"} 1']);
    metrics.ended(stream, 'caller-left', 200);
    expect(await read('mcp_drawbridge_streams')).toEqual(['mcp_drawbridge_streams{destination="ai"} 0']);
  });

  it('of several processes are one: counts add up, the first end of a token counts', async () => {
    pass(exchangeOf('ai', 'ping'));
    const tokens = (expiresAt: number): Readings => ({ ...NOTHING, tokens: [{ name: 'ai', expiresAt }] });
    const processes: MetricFamily[][] = [metrics.collect(tokens(9_000)), metrics.collect(tokens(7_000))];
    const { text } = await renderMetrics(processes, false);
    expect(text).toMatch(/^mcp_drawbridge_requests_total\{.*\} 2$/m);
    expect(text).toMatch(/^mcp_drawbridge_token_expiry_timestamp_seconds\{.*\} 7$/m);
    expect(text).toMatch(/^mcp_drawbridge_build_info\{version="1\.2\.3"\} 1$/m);
  });

  it('are OpenMetrics where that is asked for', async () => {
    pass(exchangeOf('ai', 'ping'));
    const { text, mediaType } = await renderMetrics([metrics.collect(NOTHING)], true);
    expect(mediaType).toContain('application/openmetrics-text');
    expect(text).toMatch(/^# TYPE mcp_drawbridge_requests counter$/m);
    expect(text).toMatch(/^mcp_drawbridge_requests_total\{/m);
    expect(text).not.toContain('_total_total');
    expect(text.endsWith('# EOF\n')).toBe(true);
  });
});
