import { EventEmitter, once } from 'node:events';
import qlik from '../../../src/connectors/qlik/toolset.js';
import { WarmUp } from '../../../src/connectors/qlik/warmUp.js';
import type { Toolset } from '../../../src/contracts/tools.js';
import { RestWorld } from './restWorld.js';
import { ANN, type Answers, BOB, bearer, callOf, failure, type Said, type TinyTenant } from './tinyTenant.js';
import { run } from './toolsWorld.js';

const APP = 'a-1';
const APPS = Array.from({ length: 10 }, (_, at) => `a-${at}`);
const SALES: Said = { body: { attributes: { name: 'Sales' } } };

describe('reading ahead', () => {
  const world = new RestWorld();
  const toolsets: Toolset[] = [];
  afterEach(async () => {
    await Promise.all(toolsets.splice(0).map((toolset) => toolset.close()));
  });
  afterAll(() => world.close());

  /** `shared`: all callers are one user to the tenant. */
  async function open(
    options: object,
    answers: Answers = () => SALES,
    shared = true,
  ): Promise<{ toolset: Toolset; tenant: TinyTenant }> {
    const tenant = await world.tenant(answers);
    const deps = { ...world.deps(), baseDir: '.', url: new URL(tenant.origin), shared };
    const toolset = await qlik.create(qlik.options.parse(options), deps);
    toolsets.push(toolset);
    return { toolset, tenant };
  }

  const describeApp = (toolset: Toolset, context = callOf(ANN, 'job'), appId = APP) =>
    run(toolset, 'qlik_describe_app', { appId }, context);

  it('asks for each app once, and answers every caller who is that user', async () => {
    const { toolset, tenant } = await open({ warmUp: APPS });
    await toolset.warmUp?.(bearer('job'));
    expect(tenant.heard).toHaveLength(2 * APPS.length);
    expect(tenant.heard.every(({ headers }) => headers.authorization === 'Bearer job')).toBe(true);
    for (const owner of [ANN, BOB, null]) {
      expect(await describeApp(toolset, callOf(owner, 'job'))).toMatchObject({ name: 'Sales' });
    }
    await toolset.warmUp?.(bearer('job'));
    expect(tenant.heard).toHaveLength(2 * APPS.length);
  });

  it('answers nobody who is shown as another user, or shows something of their own', async () => {
    const { toolset, tenant } = await open({ warmUp: [APP] }, ({ headers }) => ({
      body: { attributes: { name: headers.authorization } },
    }));
    await toolset.warmUp?.(bearer('job'));
    expect(await describeApp(toolset, callOf(ANN, 'other'))).toMatchObject({ name: 'Bearer other' });
    const own = { ...bearer('job'), callers: true as const };
    const before = tenant.heard.length;
    await describeApp(toolset, callOf(ANN, 'job', { credential: own }));
    await describeApp(toolset, callOf(BOB, 'job', { credential: own }));
    expect(tenant.heard.length).toBeGreaterThanOrEqual(before + 4);
    expect(await describeApp(toolset)).toMatchObject({ name: 'Bearer job' });
  });

  it('keeps what is no configured app for its caller alone, all the same', async () => {
    const { toolset, tenant } = await open({ warmUp: [APP] });
    await toolset.warmUp?.(bearer('job'));
    const asked = async (owner: typeof ANN) => {
      const before = tenant.heard.length;
      await describeApp(toolset, callOf(owner, 'job'), 'a-2');
      return tenant.heard.length - before;
    };
    expect([await asked(ANN), await asked(ANN), await asked(BOB)]).toEqual([2, 0, 2]);
  });

  it('keeps apart callers who are users of their own, whatever is configured', async () => {
    const { toolset, tenant } = await open({ warmUp: [APP] }, () => SALES, false);
    expect(toolset.warmUp).toBeUndefined();
    await describeApp(toolset, callOf(ANN, 'the same'));
    await toolset.close();
    const before = tenant.heard.length;
    await describeApp(toolset, callOf(BOB, 'the same'));
    expect(tenant.heard.length).toBe(before + 2);
  });

  it.each([
    ['there are no apps', {}],
    ['nothing is kept', { warmUp: [APP], cache: { metadataSeconds: 0 } }],
  ])('is nothing where %s', async (_what, options) => {
    const { toolset, tenant } = await open(options);
    expect(toolset.warmUp).toBeUndefined();
    await run(toolset, 'qlik_list', { resource: 'spaces' }, callOf(ANN, 'job')).catch(() => {});
    expect(tenant.heard.filter(({ target }) => target.includes('/apps/'))).toEqual([]);
  });

  it('reads four apps at a time', async () => {
    const seen = new EventEmitter();
    const waiting: ((said: Said) => void)[] = [];
    const { toolset, tenant } = await open({ warmUp: APPS }, () => {
      seen.emit('asked');
      return new Promise((resolve) => waiting.push(resolve));
    });
    const ended = toolset.warmUp?.(bearer('job'));
    for (let answered = 0; answered < 2 * APPS.length; answered += 1) {
      const most = Math.min(2 * APPS.length, 8 + 2 * Math.floor(answered / 2));
      while (waiting.length === 0) await once(seen, 'asked');
      expect(tenant.heard.length).toBeLessThanOrEqual(most);
      waiting.shift()?.(SALES);
    }
    await ended;
  });

  it('says which apps it could not read; the first call does what is missing', async () => {
    let gone = true;
    const { toolset, tenant } = await open({ warmUp: [APP, 'gone', 'lost'] }, ({ target }) =>
      gone && !target.includes(APP) ? failure(404, 'Not found') : SALES,
    );
    await expect(toolset.warmUp?.(bearer('job'))).rejects.toThrow(
      /^2 of 3 apps were not read ahead: gone: Qlik answered 404.*; lost: Qlik answered 404/,
    );
    gone = false;
    const before = tenant.heard.length;
    await run(toolset, 'qlik_list', { resource: 'spaces' }, callOf(ANN, 'job')).catch(() => {});
    await describeApp(toolset, callOf(ANN, 'job'), 'gone');
    const asked = tenant.heard.slice(before).map(({ target }) => target);
    expect(asked.some((target) => target.includes('/apps/gone'))).toBe(true);
    expect(asked.filter((target) => target.includes(APP))).toEqual([]);
    expect(world.signals.named('qlik.cold')).toEqual([]);
  });

  it('gives up where the tenant is slow: what is done is kept, the rest is told', async () => {
    const tenant = await world.tenant(({ target }) => (target.includes('a-0') ? SALES : undefined));
    const rest = world.client(tenant.origin, { lives: { metadata: 60_000, data: 0 }, common: new Set(APPS) });
    const deps = { rest, name: 'qlik', signals: world.signals };
    const warmUp = new WarmUp(APPS, deps, { atOnce: 4, longestMs: 300 });
    const failed = expect(warmUp.ahead(bearer('job'))).rejects;
    await failed.toThrow(/^9 of 10 apps .*: not within 0\.3 s; .*; and others$/);
    expect(tenant.heard.some(({ target }) => target.includes('a-9'))).toBe(false);
    await warmUp.close();
  });

  it('ends with the toolset, without a word', async () => {
    const seen = new EventEmitter();
    const { toolset } = await open({ warmUp: APPS }, () => void seen.emit('asked'));
    const asked = once(seen, 'asked');
    const ended = toolset.warmUp?.(bearer('job'));
    await asked;
    await toolset.close();
    await expect(ended).resolves.toBeUndefined();
    await expect(toolset.warmUp?.(bearer('job'))).resolves.toBeUndefined();
  });

  it('fails as a whole where the credential is refused, and tells no secret', async () => {
    const { toolset } = await open({ warmUp: [APP] }, () => failure(401, 'Unauthorized'));
    const error = await toolset.warmUp?.(bearer('canary')).catch((refused: Error) => refused);
    expect(String(error)).toContain('refuses the credential');
    expect(String(error)).not.toContain('canary');
  });
});
