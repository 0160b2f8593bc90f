import { systemClock } from '../../src/core/async.js';
import { LOCAL } from '../../src/edge/admin.js';
import { CallStream } from '../../src/edge/callStream.js';
import { CallFeed } from '../../src/gateway/callFeed.js';
import { FakeClock, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { type AdminWorld, adminWorld, type Who } from './adminWorld.js';

interface By {
  readonly subject?: string;
  readonly tenant?: string;
  readonly destination?: string;
}

function ended(feed: CallFeed, tool: string, { subject, tenant, destination = 'jobs' }: By = {}): void {
  const exchange = fakeExchange(fakeInbound('/mcp/jobs'));
  exchange.call = fakeCall('tools/call', tool);
  exchange.decision = { strategy: 'PROXY', destination, by: 'path' };
  if (subject !== undefined) {
    exchange.principal = { subject, roles: [], claims: {}, ...(tenant === undefined ? {} : { tenant }) };
  }
  feed.ended(exchange, 'complete', 200);
}

function streamOf(feed: CallFeed, clock = new FakeClock()) {
  return new CallStream({ owner: 'a', feed, clock, sees: () => true, shown: (row) => row });
}

describe('a stream of calls', () => {
  it('begins at once, tells what there is, and beats where there is nothing', async () => {
    const feed = new CallFeed(new FakeClock());
    const stream = streamOf(feed);
    expect((await stream.next()).value).toBe('retry: 1000\n\n');
    ended(feed, 'a\nb');
    const { value } = await stream.next();
    expect(value).toMatch(/^event: call\ndata: \{[^\n]*"tool":"a\\nb"[^\n]*\}\n\n$/);
    const quiet = [];
    for (let at = 0; at < 60; at++) quiet.push((await stream.next()).value);
    expect([quiet.filter((text) => text === '').length, quiet.at(-1)]).toEqual([59, ':\n\n']);
  });

  it('keeps no more than 100 calls for one that takes none, and counts the others', async () => {
    const feed = new CallFeed(new FakeClock());
    const stream = streamOf(feed);
    await stream.next();
    for (let made = 0; made < 5_000; made++) ended(feed, `t${made}`);
    const text = String((await stream.next()).value);
    expect(text.match(/event: call/g)).toHaveLength(100);
    expect(text).toContain('event: missed\ndata: {"count":4900}\n\n');
    expect((await stream.next()).value).toBe('');
  });

  it('ends after five minutes, so that rights are looked at anew', async () => {
    const feed = new CallFeed(new FakeClock());
    let pieces = 0;
    for await (const _piece of streamOf(feed)) pieces += 1;
    expect([pieces, feed.watchers]).toEqual([1 + 4 * 60 * 5 - 1, 0]);
  });

  it('ends at once when it is let go of, or left', async () => {
    for (const end of [(stream: CallStream) => stream.release(), (stream: CallStream) => void stream.return()]) {
      const feed = new CallFeed(systemClock);
      const stream = new CallStream({ owner: 'a', feed, clock: systemClock, sees: () => true, shown: (row) => row });
      await stream.next();
      const next = stream.next();
      const began = Date.now();
      end(stream);
      expect([(await next).done, Date.now() - began < 200, feed.watchers]).toEqual([true, true, 0]);
    }
  });
});

describe('GET /admin/v1/calls', () => {
  const callers: Record<string, Who> = {
    root: { may: ['admin/*'] },
    onlooker: { may: ['admin/calls/read'] },
    red: { may: ['admin/*'], tenant: 'red' },
    confined: { may: ['admin/*'], destinations: ['job*'] },
    other: { may: ['admin/keys/*'] },
  };
  let world: AdminWorld;
  let feed: CallFeed;
  const open: AbortController[] = [];

  beforeEach(async () => {
    feed = new CallFeed(systemClock);
    world = await adminWorld(callers, { clock: systemClock, calls: feed });
  });
  afterEach(async () => {
    for (const one of open.splice(0)) one.abort();
    await world.close();
  });

  async function watch(token: string) {
    const abort = new AbortController();
    open.push(abort);
    const response = await fetch(`${world.url}/admin/v1/calls`, {
      headers: { authorization: `Bearer ${token}` },
      signal: abort.signal,
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
    })().catch(() => {});
    const rows = () => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)));
    const until = async (tool: string) => {
      while (!text.includes(tool)) await systemClock.sleep(10);
    };
    return { response, rows, until, leave: () => abort.abort(), reading };
  }

  it('shows calls as they end, to nobody without the right', async () => {
    const { response, rows, until } = await watch('root');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('content-disposition')).toBeNull();
    expect(response.headers.get('cache-control')).toBe('no-store');
    ended(feed, 'search', { subject: 'keys:a' });
    await until('search');
    expect(rows()).toMatchObject([{ subject: 'keys:a', destination: 'jobs', tool: 'search', status: 200 }]);
    expect((await watch('other')).response.status).toBe(403);
    expect((await watch('nobody')).response.status).toBe(401);
    expect(feed.watchers).toBe(1);
  });

  it('shows a tenant its own calls, a confined proof those of its destinations, and nobody’s to neither', async () => {
    const views = [await watch('root'), await watch('red'), await watch('confined')];
    ended(feed, 'one', { subject: 'keys:a', tenant: 'red' });
    ended(feed, 'two', { subject: 'keys:b', tenant: 'blue' });
    ended(feed, 'three');
    ended(feed, 'four', { subject: 'keys:a', tenant: 'red', destination: 'files' });
    ended(feed, 'last', { subject: 'keys:a', tenant: 'red' });
    await Promise.all(views.map(({ until }) => until('last')));
    expect(views.map(({ rows }) => rows().map(({ tool }) => tool))).toEqual([
      ['one', 'two', 'three', 'four', 'last'],
      ['one', 'four', 'last'],
      ['one', 'two', 'three', 'last'],
    ]);
  });

  it('shows a tenant that comes later nothing of what others have seen', async () => {
    await watch('root');
    ended(feed, 'theirs', { subject: 'keys:b', tenant: 'blue' });
    ended(feed, 'own', { subject: 'keys:a', tenant: 'red' });
    const { rows, until } = await watch('red');
    await until('own');
    expect(rows().map(({ tool }) => tool)).toEqual(['own']);
  });

  it('says who calls only to those who may read the audit log', async () => {
    const { rows, until } = await watch('onlooker');
    ended(feed, 'search', { subject: 'keys:a' });
    await until('search');
    expect(rows()[0]).not.toHaveProperty('subject');
  });

  it('has a limit for each, and gives a place back when its watcher leaves', async () => {
    const views = await Promise.all([1, 2, 3, 4].map(() => watch('root')));
    const refused = await watch('root');
    expect([refused.response.status, refused.response.headers.get('retry-after')]).toEqual([429, '5']);
    expect((await watch('red')).response.status).toBe(200);
    views[0]?.leave();
    while (feed.watchers > 4) await systemClock.sleep(10);
    expect((await watch('root')).response.status).toBe(200);
  });

  it('ends for everybody when the feed lets go', async () => {
    const { reading } = await watch('root');
    feed.release();
    await reading;
    expect(feed.watchers).toBe(0);
  });

  it('is one of the routes that people at this machine have where nobody can be known, and changes are not', async () => {
    await world.close();
    const may = ['admin/calls/read', 'admin/destinations/read', 'admin/sessions/read'];
    const local = (exchange: { request: { header(name: string): string | undefined } }) =>
      exchange.request.header('x-far') === undefined ? LOCAL : undefined;
    const nobodyKnown = { identify: undefined, local, clock: systemClock, calls: feed };
    world = await adminWorld({}, { ...nobodyKnown, permits: (_: unknown, one: string) => may.includes(one) } as object);
    const statuses = async (calls: readonly (readonly [string, string])[], headers = {}) =>
      Promise.all(
        calls.map(async ([method, path]) => (await world.call(method, path, undefined, undefined, headers)).status),
      );
    const reads = [
      ['GET', '/ui'],
      ['GET', '/admin/v1/whoami'],
      ['GET', '/admin/v1/destinations'],
      ['GET', '/admin/v1/sessions'],
    ] as const;
    expect(await statuses(reads)).toEqual([200, 200, 200, 200]);
    expect(await statuses(reads, { 'x-far': '1' })).toEqual([404, 404, 404, 404]);
    const others = [
      ['GET', '/admin/v1/keys'],
      ['POST', '/admin/v1/keys'],
      ['DELETE', '/admin/v1/sessions/s1'],
      ['POST', '/admin/v1/breakers/qlik/reset'],
      ['GET', '/docs'],
    ] as const;
    expect(await statuses(others)).toEqual([404, 404, 404, 404, 404]);
  });
});

describe('GET /admin/v1/children', () => {
  it('shows a tenant its own only', async () => {
    const world = await adminWorld({ root: { may: ['admin/*'] }, red: { may: ['admin/*'], tenant: 'red' } });
    const pids = async (token: string) =>
      (await world.call('GET', '/admin/v1/children', token)).body.items.map(({ pid }: { pid: number }) => pid);
    expect([await pids('root'), await pids('red')]).toEqual([[11, 12], [11]]);
    await world.close();
  });
});

describe('/ui', () => {
  it('is served to whoever asks, with a policy that lets nothing else run, and is framed by nobody', async () => {
    const world = await adminWorld({});
    const [first, second] = [await world.call('GET', '/ui'), await world.call('GET', '/ui')];
    const policy = first.headers.get('content-security-policy') ?? '';
    const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1];
    expect(first.text).toContain(`<script nonce="${nonce}">`);
    expect(second.text).not.toContain(nonce);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(first.headers.get('x-frame-options')).toBe('DENY');
    expect(first.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(first.text).not.toMatch(/https?:\/\/|<img|@import|src=|innerHTML|localStorage|cookie/);
    expect((await world.call('POST', '/ui')).status).toBe(405);
    await world.close();
  });

  it('is not there where it is switched off', async () => {
    const world = await adminWorld({ root: { may: ['admin/*'] } }, { ui: false });
    expect([(await world.call('GET', '/ui')).status, (await world.call('GET', '/docs')).status]).toEqual([404, 200]);
    await world.close();
  });
});
