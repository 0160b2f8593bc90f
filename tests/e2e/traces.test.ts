import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { call, callTool } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { startLegacyServer } from '../helpers/mcpServers.js';
import { type CollectedSpan, type Collector, startCollector } from '../helpers/otlpCollector.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';
import { inTurn, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = 'b7ad6b7169203331';
const SERVER = 2;
const CLIENT = 3;

describe('traces', () => {
  let upstream: Upstream;
  let issuer: Issuer;
  let collector: Collector;
  let drawbridge: Drawbridge | undefined;

  beforeAll(async () => {
    upstream = await startUpstream(json({ content: [] }));
    issuer = await startIssuer({ label: 'a-secret-token', delayMs: 20 });
  });
  beforeEach(async () => {
    collector = await startCollector();
    upstream.handler = json({ content: [] });
    upstream.requests.length = 0;
  });
  afterEach(async () => {
    await drawbridge?.stop();
    drawbridge = undefined;
    await collector.close();
    expect(collector.faults).toEqual([]);
  });
  afterAll(async () => {
    await upstream?.close();
    await issuer?.close();
  });

  const start = async (traces: object = {}, more: object = {}): Promise<Drawbridge> => {
    drawbridge = await startDrawbridge({
      destinations: { up: { kind: 'http', url: upstream.url, credential: 'up', safeTools: ['echo'] } },
      credentials: { up: issuer.credential(upstream.origin) },
      resilience: { retry: { attempts: 2, baseMs: 1 } },
      telemetry: { traces: { endpoint: collector.url, exportEveryMs: 100, ...traces } },
      ...more,
    });
    return drawbridge;
  };
  const ofKind = (spans: readonly CollectedSpan[], kind: number) => spans.filter((span) => span.kind === kind);
  const isExchange = ({ kind }: CollectedSpan) => kind === SERVER;
  const told = (at = 0) => upstream.requests[at]?.header('traceparent')?.split('-') ?? [];

  it('join the trace of the header, span each try and the token, and lead on to the upstream', async () => {
    const { url } = await start({ serviceName: 'gate', headers: { 'x-key': 'k' } });
    upstream.handler = inTurn(status(503), json({ content: [] }));
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'a=b', baggage: 'c=d' };
    await call(`${url}/mcp/up`, 'tools/call', { name: 'echo', arguments: { text: 'a secret argument' } }, headers);
    await collector.wait(isExchange);
    const { spans } = collector;
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const [exchange] = ofKind(spans, SERVER) as [CollectedSpan];
    expect(exchange).toMatchObject({ name: 'tools/call echo', parentSpanId: PARENT, service: 'gate' });
    expect(exchange.attributes).toMatchObject({
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
      'http.request.method': 'POST',
      'http.response.status_code': '200',
      'drawbridge.destination': 'up',
      'drawbridge.attempts': '2',
    });
    const attempts = ofKind(spans, CLIENT);
    expect(attempts.map(({ attributes, status: how }) => [attributes['http.response.status_code'], how?.code])).toEqual(
      [
        ['503', 2],
        ['200', undefined],
      ],
    );
    expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual([exchange.spanId, exchange.spanId]);
    expect(attempts[1]?.attributes).toMatchObject({
      'server.address': '127.0.0.1',
      'server.port': String(upstream.port),
      'http.request.resend_count': '1',
    });
    const token = spans.find(({ name }) => name === 'token') as CollectedSpan;
    expect(token).toMatchObject({ parentSpanId: attempts[0]?.spanId, attributes: { 'drawbridge.credential': 'up' } });
    expect(BigInt(token.endTimeUnixNano) - BigInt(token.startTimeUnixNano)).toBeGreaterThan(10_000_000n);
    expect([told(0), told(1)]).toEqual(attempts.map(({ spanId }) => ['00', TRACE, spanId, '01']));
    const [seen] = upstream.requests;
    expect([seen?.header('tracestate'), seen?.header('baggage')]).toEqual(['a=b', 'c=d']);
    expect(seen?.rawHeaders.filter((name) => name.toLowerCase() === 'traceparent')).toHaveLength(1);
    expect(collector.heads[0]).toMatchObject({ 'x-key': 'k', 'content-type': 'application/json' });
    expect(collector.text()).not.toMatch(/a secret argument|a-secret-token|only-for-this-test|c=d/);
  });

  it('join the trace that the message names, without a byte of it changed', async () => {
    const { url, record } = await start();
    const _meta = { traceparent: `00-${OTHER}-${PARENT}-01`, tracestate: 'v=1', baggage: 'user=x' };
    await call(`${url}/mcp/up`, 'tools/call', { name: 'echo', _meta });
    const [exchange] = await collector.wait(isExchange);
    expect(exchange).toMatchObject({ traceId: OTHER, parentSpanId: PARENT });
    const [seen] = upstream.requests;
    expect(told()[1]).toBe(OTHER);
    expect([seen?.header('tracestate'), seen?.header('baggage')]).toEqual(['v=1', 'user=x']);
    expect(JSON.parse(String(seen?.body)).params._meta).toEqual(_meta);
    expect(await record(({ signal }) => signal === 'exchange')).toMatchObject({ traceId: OTHER });
  });

  it('link the trace of the message where the header names another one', async () => {
    const { url } = await start();
    const _meta = { traceparent: `00-${OTHER}-${PARENT}-01` };
    await call(`${url}/mcp/up`, 'tools/list', { _meta }, { traceparent: `00-${TRACE}-${'a'.repeat(16)}-01` });
    const [exchange] = await collector.wait(isExchange);
    expect(exchange).toMatchObject({ traceId: TRACE, links: [{ traceId: OTHER, spanId: PARENT }] });
  });

  it('are left out where the caller says so, or the share does, and lead on all the same', async () => {
    const { url, record } = await start({ sampleRatio: 0 });
    const line = `00-${TRACE}-${PARENT}-00`;
    await callTool(`${url}/mcp/up`, 'echo', { traceparent: line });
    expect(upstream.requests[0]?.header('traceparent')).toBe(line);
    await callTool(`${url}/mcp/up`, 'echo', { traceparent: 'nonsense', tracestate: 'a=b' });
    const [version, traceId, spanId, flags] = told(1);
    expect([version, flags]).toEqual(['00', '00']);
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(upstream.requests[1]?.header('tracestate') ?? '').toBe('');
    await record((one) => one.signal === 'exchange' && one.traceId === traceId);
    await callTool(`${url}/mcp/up`, 'echo', { traceparent: `00-${OTHER}-${PARENT}-01` });
    await collector.wait(isExchange);
    expect(new Set(collector.spans.map((span) => span.traceId))).toEqual(new Set([OTHER]));
  });

  it('of a real client span the stages that were configured', async () => {
    const server = await startLegacyServer(() => true);
    const { url } = await start(
      {},
      {
        destinations: { mcp: { kind: 'http', url: server.url, credential: 'fixed' } },
        credentials: { fixed: { kind: 'static', token: 'a-fixed-token', origins: [new URL(server.url).origin] } },
        identity: { open: { kind: 'anonymous', roles: ['guest'] } },
        permissions: { roles: { guest: { allow: ['*/*'] } } },
        quotas: { perCaller: '100/m' },
      },
    );
    const client = new Client({ name: 'c', version: '1' });
    try {
      await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp/mcp`)) as Transport);
      await client.callTool({ name: 'echo', arguments: { text: 'x' } });
      const [tool] = await collector.wait(({ name, kind }) => name === 'tools/call echo' && kind === SERVER);
      const steps = collector.spans.filter(({ parentSpanId }) => parentSpanId === tool?.spanId).map(({ name }) => name);
      expect(steps).toEqual(['identify', 'authorize', 'limitCaller', 'tools/call echo']);
    } finally {
      await client.close();
      await server.close();
    }
  });

  it('wait for a collector that is down, leave at the end, and say both once', async () => {
    collector.status = 503;
    const { url, record, records, stop } = await start();
    await callTool(`${url}/mcp/up`, 'echo');
    expect(await record(({ signal }) => signal === 'traces.lost')).toMatchObject({
      reason: 'the collector answers 503',
    });
    await callTool(`${url}/mcp/up`, 'echo');
    collector.status = 200;
    await collector.wait(isExchange, 10_000);
    await record(({ signal }) => signal === 'traces.back');
    await callTool(`${url}/mcp/up`, 'last');
    await stop();
    drawbridge = undefined;
    expect(ofKind(collector.spans, SERVER).map(({ name }) => name)).toEqual([
      'tools/call echo',
      'tools/call echo',
      'tools/call last',
    ]);
    expect(records().filter(({ signal }) => signal === 'traces.lost')).toHaveLength(1);
  });

  it('are not sent with a key over a network that others read', async () => {
    const traces = { endpoint: 'http://collector.example.com:4318', headers: { 'x-key': 'k' } };
    await expect(start(traces)).rejects.toThrow(/a credential would travel to http:\/\/collector.example.com:4318/);
  });
});
