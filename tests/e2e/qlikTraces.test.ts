import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type MockQlik, startMockQlik } from '../../src/testing.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type CollectedSpan, type Collector, startCollector } from '../helpers/otlpCollector.js';

const API_KEY = 'canary-qlik-api-key-of-ben';
const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SERVER = 2;

describe('traces of the Qlik toolset', () => {
  let mock: MockQlik;
  let collector: Collector;
  let drawbridge: Drawbridge;

  beforeAll(async () => {
    mock = await startMockQlik({ apiKeys: { [API_KEY]: 'user-ben' } });
    collector = await startCollector();
    drawbridge = await startDrawbridge({
      destinations: { qlik: { kind: 'toolset', toolset: 'qlik', url: mock.origin, credential: 'ben' } },
      credentials: { ben: { kind: 'qlik', tenant: mock.origin, auth: 'api-key', apiKey: API_KEY } },
      telemetry: { traces: { endpoint: collector.url, exportEveryMs: 100 } },
    });
  });
  afterAll(async () => {
    await drawbridge?.stop();
    await collector?.close();
    await mock?.close();
  });

  it('have each call of the tenant within the try that it is made by', async () => {
    const requestInit = { headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` } };
    const client = new Client({ name: 'one', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
    const url = new URL('/mcp/qlik', drawbridge.url);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    const call = async (name: string, args: object) => {
      const tool = `tools/call ${name}`;
      await client.callTool({ name, arguments: { ...args } });
      await collector.wait((span) => span.kind === SERVER && span.name === tool);
      const attempt = collector.spans.find((span) => span.kind !== SERVER && span.name === tool);
      return collector.spans.filter(({ parentSpanId }) => parentSpanId === attempt?.spanId);
    };
    const names = (spans: readonly CollectedSpan[]) => spans.map(({ name }) => name).sort();

    const described = await call('qlik_describe_app', { appId: SALES });
    expect(names(described)).toEqual(['GET /api/v1/apps/{appId}', 'GET /api/v1/apps/{appId}/data/metadata']);
    expect(described[0]).toMatchObject({
      traceId: TRACE,
      attributes: {
        'server.address': '127.0.0.1',
        'drawbridge.destination': 'qlik',
        'http.response.status_code': '200',
      },
    });
    const evaluated = await call('qlik_evaluate_expression', { appId: SALES, expression: 'Sum(Amount)' });
    expect(names(evaluated)).toEqual(expect.arrayContaining(['qix open', 'qix checkExpression']));
    await client.close();
    expect(collector.text()).not.toContain(API_KEY);
    expect(collector.text()).not.toContain(SALES);
    expect(collector.text()).not.toContain('Sum(Amount)');
  }, 30_000);
});
