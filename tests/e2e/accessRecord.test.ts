import { call, callTool } from '../helpers/calls.js';
import { json, refusesFirstToken } from '../helpers/upstreamFixture.js';
import { startWorld, type World } from './world.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('the access record', () => {
  let world: World<'files'>;

  beforeAll(async () => {
    world = await startWorld({ files: { delayMs: 30 } });
  });
  afterAll(() => world?.close());

  const exchanges = () => world.drawbridge.records().filter(({ signal }) => signal === 'exchange');

  it('says of a tool call who, what, how it ended and what it cost', async () => {
    const { url, upstream } = world.places.files;
    upstream.handler = refusesFirstToken(401, json({}));
    await callTool(url, 'read_file', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` });
    const record = await world.drawbridge.record(({ signal }) => signal === 'exchange');
    expect(record).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: 'info',
      signal: 'exchange',
      message: 'exchange',
      requestId: expect.stringMatching(/^[\w-]{12}-[\da-z]+$/),
      door: 'mcp',
      method: 'POST',
      rpc: 'tools/call',
      tool: 'read_file',
      destination: 'files',
      strategy: 'PROXY',
      status: 200,
      outcome: 'complete',
      ms: expect.any(Number),
      tokenMs: expect.any(Number),
      upstreamMs: expect.any(Number),
      attempts: 2,
      traceId: TRACE,
      address: '127.0.0.1',
    });
    const { ms, tokenMs, upstreamMs } = record as Record<'ms' | 'tokenMs' | 'upstreamMs', number>;
    expect(tokenMs).toBeGreaterThan(55);
    expect(tokenMs + upstreamMs).toBeLessThanOrEqual(ms + 0.1);
  });

  it('hands the trace on to the upstream', async () => {
    const seen = await world.places.files.upstream.arrived(1);
    expect(seen.header('traceparent')?.split('-')[1]).toBe(TRACE);
  });

  it('is written once for each request, failures among them, under the id that the caller was given', async () => {
    const before = exchanges().length;
    const { url } = world.places.files;
    const answers = await Promise.all([
      call(url, 'tools/list'),
      call(`${world.drawbridge.url}/mcp/nobody`, 'tools/list'),
      call(url, 'tools/call', { name: 'echo' }, { 'mcp-method': 'tools/list' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 400]);
    await world.drawbridge.record(() => exchanges().length === before + 3);
    const records = exchanges().slice(before);
    expect(new Set(records.map(({ requestId }) => requestId)).size).toBe(3);
    const given = answers.slice(1).map(({ headers }) => headers.get('x-request-id'));
    const failures = given.map((id) => records.find(({ requestId }) => requestId === id));
    expect(failures).toMatchObject([
      { status: 403, code: 'UNKNOWN_DESTINATION', attempts: 0 },
      { status: 400, code: 'HEADER_MISMATCH', attempts: 0, destination: 'files' },
    ]);
  });
});
