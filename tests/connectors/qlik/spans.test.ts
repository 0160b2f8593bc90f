import qlik from '../../../src/connectors/qlik/toolset.js';
import type { Toolset, VendorSpan } from '../../../src/contracts/tools.js';
import { systemClock } from '../../../src/core/async.js';
import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { RestWorld } from './restWorld.js';
import { ANN, type Answers, callOf, failure } from './tinyTenant.js';
import { run } from './toolsWorld.js';

const KEY = 'key-of-ben';
const SALES = '5a1e5a90-0001-4000-8000-000000000001';

/** Spans as a trace would have them, in the order of their beginnings. */
class Spans {
  readonly begun: { name: string; ended: number; status?: unknown; error?: string | undefined }[] = [];

  readonly span = (name: string): VendorSpan => {
    const one: Spans['begun'][number] = { name, ended: 0 };
    this.begun.push(one);
    return {
      lines: ['traceparent', `span-${this.begun.length}`, 'tracestate', 'a=b'],
      end: (attributes, error) => {
        one.ended += 1;
        one.status = attributes?.['http.response.status_code'];
        one.error = error;
      },
    };
  };
}

describe('calls of the tenant, in a trace', () => {
  const world = new RestWorld();
  let toolset: Toolset;
  let mock: MockQlik;
  beforeAll(async () => {
    mock = await startMockQlik({ apiKeys: { [KEY]: 'user-ben' } });
  });
  afterEach(() => toolset.close());
  afterAll(async () => {
    await world.close();
    await mock.close();
  });

  async function open(origin: string): Promise<void> {
    const deps = { ...world.deps(), clock: systemClock, baseDir: '.', url: new URL(origin) };
    toolset = await qlik.create(qlik.options.parse({}), deps);
  }

  it('are told of by REST: a span for each, which the tenant joins, and nothing in its name that is anybody’s', async () => {
    const spans = new Spans();
    const answers: Answers = ({ target }) => (target.includes('secret') ? failure(404, 'Not found') : { body: {} });
    const tenant = await world.tenant(answers);
    await open(tenant.origin);
    const call = (appId: string) =>
      run(toolset, 'qlik_describe_app', { appId }, callOf(ANN, 'x', { span: spans.span }));
    await call('an-app');
    await call('an-app');
    await expect(call('secret-app')).rejects.toThrow('404');
    const both = ['GET /api/v1/apps/{appId}', 'GET /api/v1/apps/{appId}/data/metadata'];
    expect(spans.begun.map(({ name }) => name)).toEqual([...both, ...both]);
    // Nobody waits for the last one.
    expect(spans.begun.slice(0, 3).map(({ ended, status, error }) => [ended, status, error])).toEqual([
      [1, 200, undefined],
      [1, 200, undefined],
      [1, 404, '404'],
    ]);
    const told = tenant.heard.slice(0, 2).map(({ headers }) => [headers.traceparent, headers.tracestate]);
    expect(told.sort()).toEqual([1, 2].map((number) => [`span-${number}`, 'a=b']));
    await tenant.close();
    await expect(call('other-app')).rejects.toThrow();
    expect(spans.begun.slice(4).map(({ error }) => error)).toContain('UPSTREAM_UNREACHABLE');
  });

  it('are told of by the engine: its socket, the app, and each call, once', async () => {
    const spans = new Spans();
    await open(mock.origin);
    const context = callOf(ANN, KEY, { span: spans.span });
    const sum = { appId: SALES, expression: 'Sum(Amount)' };
    await run(toolset, 'qlik_evaluate_expression', sum, context);
    const names = spans.begun.map(({ name }) => name);
    expect(names[0]).toBe('qix open');
    expect(names).toEqual(expect.arrayContaining(['qix checkExpression', 'qix getLayout', 'qix getHyperCubeData']));
    const awaited = spans.begun.filter(({ name }) => name !== 'qix destroySessionObject');
    expect(awaited.every(({ ended, error }) => ended === 1 && error === undefined)).toBe(true);
    const first = names.length;
    await run(toolset, 'qlik_evaluate_expression', sum, context);
    expect(spans.begun.slice(first).map(({ name }) => name)).not.toContain('qix open');
    const opened = spans.begun.length;
    await expect(run(toolset, 'qlik_get_chart_info', { appId: SALES, chartId: 'gone' }, context)).rejects.toThrow();
    expect(spans.begun.slice(opened)).toMatchObject([{ name: 'qix getObject', ended: 1, error: 'failed' }]);
  });
});
