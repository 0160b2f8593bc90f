import { GatewayError } from '../../src/core/errors.js';
import { CallFeed, type CallRow, type CallWatcher } from '../../src/gateway/callFeed.js';
import { FakeClock, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

function exchange(tool = 'search') {
  const made = fakeExchange(fakeInbound('/mcp/jobs'));
  made.call = fakeCall('tools/call', tool);
  made.decision = { strategy: 'PROXY', destination: 'jobs', by: 'path' };
  made.principal = { subject: 'keys:a', tenant: 'red', roles: [], claims: {} };
  return made;
}

function watcher(owner = 'a') {
  const rows: CallRow[] = [];
  const state = { released: 0 };
  const made: CallWatcher = { owner, take: (row) => void rows.push(row), release: () => void state.released++ };
  return { made, rows, state };
}

describe('the feed of calls', () => {
  it('makes and keeps nothing while nobody looks on', () => {
    const clock = new FakeClock();
    let asked = 0;
    clock.now = () => ++asked;
    const feed = new CallFeed(clock);
    feed.ended(exchange(), 'complete', 200);
    const { made, rows } = watcher();
    const leave = feed.watch(made);
    expect([asked, rows]).toEqual([0, []]);
    feed.ended(exchange(), 'complete', 200);
    leave();
    feed.ended(exchange(), 'complete', 200);
    expect([asked, rows.length, feed.watchers]).toEqual([1, 1, 0]);
    const later = watcher();
    feed.watch(later.made);
    expect(later.rows).toEqual([]);
  });

  it('tells names, never arguments', () => {
    const feed = new CallFeed(new FakeClock());
    const { made, rows } = watcher();
    feed.watch(made);
    const failed = exchange();
    failed.failure = new GatewayError('UPSTREAM_BROKE', 'secret');
    feed.ended(failed, 'complete', 502);
    expect(rows).toEqual([
      {
        id: failed.id,
        at: expect.any(Number),
        ms: expect.any(Number),
        subject: 'keys:a',
        tenant: 'red',
        destination: 'jobs',
        method: 'tools/call',
        tool: 'search',
        status: 502,
        outcome: 'complete',
        code: 'UPSTREAM_BROKE',
      },
    ]);
  });

  it('gives whoever comes later the last 100, and clips what a caller made up', () => {
    const feed = new CallFeed(new FakeClock());
    feed.watch(watcher('first').made);
    for (let made = 0; made < 150; made++) feed.ended(exchange(`t${made}`), 'complete', 200);
    feed.ended(exchange('x'.repeat(100_000)), 'complete', 200);
    const { made, rows } = watcher('second');
    feed.watch(made);
    expect([rows.length, rows[0]?.tool, rows.at(-1)?.tool?.length]).toEqual([100, 't51', 201]);
  });

  it('leaves out the calls of those who look on', () => {
    const feed = new CallFeed(new FakeClock());
    const { made, rows } = watcher();
    feed.watch(made);
    feed.ended(Object.assign(exchange(), { door: 'admin' }), 'complete', 200);
    expect(rows).toEqual([]);
  });

  it('has four places for each, and 32 in all', () => {
    const feed = new CallFeed(new FakeClock());
    const codeOf = (owner: string) => {
      try {
        feed.watch(watcher(owner).made);
        return undefined;
      } catch (error) {
        return (error as GatewayError).code;
      }
    };
    const leave = feed.watch(watcher('a').made);
    expect(['a', 'a', 'a', 'a', 'b'].map(codeOf)).toEqual([
      undefined,
      undefined,
      undefined,
      'QUOTA_EXCEEDED',
      undefined,
    ]);
    leave();
    expect(codeOf('a')).toBeUndefined();
    for (let made = 0; made < 27; made++) expect(codeOf(`c${made}`)).toBeUndefined();
    expect([codeOf('d'), feed.watchers]).toEqual(['OVERLOADED', 32]);
  });

  it('lets everybody go', () => {
    const feed = new CallFeed(new FakeClock());
    const [one, two] = [watcher('a'), watcher('b')];
    feed.watch(one.made);
    feed.watch(two.made);
    feed.release();
    expect([one.state.released, two.state.released]).toEqual([1, 1]);
  });
});
