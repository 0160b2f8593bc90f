import type { Exchange, McpCall, Principal, Reply, Route } from '../../src/contracts.js';
import { Seal } from '../../src/core/seal.js';
import { Sessions } from '../../src/gateway/sessions.js';
import { headerValue } from '../../src/wire/headers.js';
import { FakeClock, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const ALICE: Principal = { subject: 'corp:alice', roles: [], claims: {} };
const BOB: Principal = { subject: 'corp:bob', roles: [], claims: {} };
const ALICE_ELSEWHERE: Principal = { ...ALICE, tenant: 'other' };

function answer(status = 200, headers: readonly string[] = []): Reply {
  return { status, headers, body: null, origin: 'upstream' };
}

function asked(
  principal: Principal | undefined,
  more: { session?: string; method?: string; destination?: string; url?: string } = {},
) {
  const headers: Record<string, string> = more.session === undefined ? {} : { 'mcp-session-id': more.session };
  const call: McpCall =
    more.method === 'DELETE'
      ? { kind: 'end', era: 'legacy', body: null }
      : { kind: 'request', era: 'legacy', method: more.method ?? 'tools/call', body: null };
  const url = new URL(more.url ?? 'https://ai.example.com/mcp');
  return fakeExchange(fakeInbound('/mcp', headers), {
    ...(principal ? { principal } : {}),
    call,
    route: { destination: more.destination ?? 'ai', url } as Route,
  });
}

const LOST = { code: 'SESSION_LOST' };

describe('sessions', () => {
  function bench({ most, secret }: { most?: number; secret?: string } = {}) {
    const clock = new FakeClock();
    const sessions = new Sessions(clock, new Seal(secret), most);
    let reply = answer();
    /** What the upstream was told. */
    const told: (string | undefined)[] = [];
    const handler = sessions.guard(async (exchange) => {
      told.push(exchange.request.header('mcp-session-id'));
      return reply;
    });
    const begin = async (principal: Principal, id: string, destination = 'ai') => {
      reply = answer(200, ['Mcp-Session-Id', id]);
      const given = await handler(asked(principal, { method: 'initialize', destination }));
      reply = answer();
      return headerValue(given.headers, 'mcp-session-id') as string;
    };
    const use = async (exchange: Exchange) => {
      clock.time += 2000;
      return (await handler(exchange)).status;
    };
    return { sessions, begin, use, told };
  }

  it('know for good, in every process, whose client shows addresses to people', async () => {
    const secret = 'a secret that all processes have in common';
    const body = Buffer.from('{"params":{"capabilities":{"elicitation":{"url":{}}}}}');
    const seen: unknown[] = [];
    const make = () =>
      new Sessions(new FakeClock(), new Seal(secret)).guard(async (exchange) => {
        seen.push(exchange.elicitsUrls);
        return answer(200, exchange.call?.method === 'initialize' ? ['Mcp-Session-Id', 's.1'] : []);
      });
    const begins = asked(ALICE, { method: 'initialize' });
    const given = await make()({ ...begins, call: { ...(begins.call as McpCall), body } } as Exchange);
    const session = headerValue(given.headers, 'mcp-session-id') as string;
    await make()(asked(ALICE, { session }));
    const plain = headerValue((await make()(begins)).headers, 'mcp-session-id') as string;
    await make()(asked(ALICE, { session: plain }));
    expect(seen).toEqual([undefined, true, undefined, false]);
    // Nobody makes one into the other.
    const [signed, unsigned] = [session.replace('.u', '.'), plain.replace(/\.([\w-]+)$/, '.u$1')];
    for (const forged of [signed, unsigned])
      await expect(Promise.resolve().then(() => make()(asked(ALICE, { session: forged })))).rejects.toMatchObject(LOST);
  });

  it('serve the caller that began them, and the upstream is told its own id', async () => {
    const { begin, use, told } = bench();
    const session = await begin(ALICE, 's1');
    const exchange = asked(ALICE, { session });
    expect(await use(exchange)).toBe(200);
    expect(told).toEqual([undefined, 's1']);
    expect(exchange.request.headerLines).toContain('s1');
    expect(exchange.request.headerLines).not.toContain(session);
  });

  it('are called the same in every answer', async () => {
    const { sessions, begin } = bench();
    const session = await begin(ALICE, 's1');
    const echo = sessions.guard(() => answer(200, ['mcp-session-id', 's1', 'x-other', 's1']));
    const { headers } = await echo(asked(ALICE, { session }));
    expect(headers).toEqual(['mcp-session-id', session, 'x-other', 's1']);
  });

  it.each([
    ['another caller', BOB],
    ['the same subject of another tenant', ALICE_ELSEWHERE],
  ])('stop session theft by %s', async (_who, thief) => {
    const { begin, use } = bench();
    const session = await begin(ALICE, 's1');
    await expect(use(asked(thief, { session }))).rejects.toMatchObject(LOST);
    await expect(use(asked(thief, { session, method: 'DELETE' }))).rejects.toMatchObject(LOST);
    expect(await use(asked(ALICE, { session }))).toBe(200);
  });

  it('stop session fixation: an id that a caller made up, or had from the upstream, is no session', async () => {
    const { begin, use } = bench();
    const session = await begin(ALICE, 's1');
    for (const planted of ['planted', 's1', 's1.', `s2${session.slice(2)}`, `${session}x`, session.slice(0, -1)]) {
      await expect(use(asked(BOB, { session: planted }))).rejects.toMatchObject(LOST);
      await expect(use(asked(ALICE, { session: planted }))).rejects.toMatchObject(LOST);
    }
  });

  it('are given to one caller only, though the server hands one out again', async () => {
    const { begin } = bench();
    await begin(ALICE, 's1');
    await expect(begin(BOB, 's1')).rejects.toMatchObject(LOST);
  });

  it('are served by every process with the same key, and survive its restart', async () => {
    const secret = 'what all replicas have in common';
    const session = await bench({ secret }).begin(ALICE, 'an.id.with.dots');
    const replica = bench({ secret });
    await expect(replica.use(asked(BOB, { session }))).rejects.toMatchObject(LOST);
    expect(await replica.use(asked(ALICE, { session }))).toBe(200);
    expect(replica.told).toEqual(['an.id.with.dots']);
    await expect(bench().use(asked(ALICE, { session }))).rejects.toMatchObject(LOST);
  });

  it('name their upstream: at another destination, or another URL, they are lost', async () => {
    const { begin, use } = bench();
    const session = await begin(ALICE, 's1', 'ai');
    await expect(use(asked(ALICE, { session, destination: 'crm' }))).rejects.toMatchObject(LOST);
    await expect(use(asked(ALICE, { session, url: 'https://evil.example.com/mcp' }))).rejects.toMatchObject(LOST);
    expect(await use(asked(ALICE, { session, url: 'https://ai.example.com/mcp?page=2' }))).toBe(200);
  });

  it('are told apart by destination', async () => {
    const { begin, use } = bench();
    await begin(ALICE, 's1', 'ai');
    const session = await begin(BOB, 's1', 'crm');
    expect(await use(asked(BOB, { session, destination: 'crm' }))).toBe(200);
    await expect(use(asked(BOB, { session, destination: 'ai' }))).rejects.toMatchObject(LOST);
  });

  it('end with a DELETE, and when an operator ends them', async () => {
    const { sessions, begin, use } = bench();
    const first = await begin(ALICE, 's1');
    const second = await begin(ALICE, 'the-upstreams-own-id');
    await use(asked(ALICE, { session: first, method: 'DELETE' }));
    const [left] = sessions.list();
    expect(sessions.list()).toEqual([expect.objectContaining({ subject: ALICE.subject, destination: 'ai' })]);
    expect(JSON.stringify(left)).not.toContain('the-upstreams-own-id');
    expect([sessions.end(left?.id as string), sessions.end('unknown')]).toEqual([true, false]);
    for (const session of [first, second]) {
      await expect(use(asked(ALICE, { session }))).rejects.toMatchObject(LOST);
    }
  });

  it('never hold more than so many in memory: the one used longest ago goes, and is known again by its signature', async () => {
    const { sessions, begin, use } = bench({ most: 2 });
    const first = await begin(ALICE, 's1');
    const second = await begin(ALICE, 's2');
    await use(asked(ALICE, { session: first }));
    await begin(ALICE, 's3');
    expect(sessions.list()).toHaveLength(2);
    await expect(use(asked(BOB, { session: second }))).rejects.toMatchObject(LOST);
    expect(await use(asked(ALICE, { session: second }))).toBe(200);
    expect(sessions.list()).toHaveLength(2);
  });

  it('mean nothing where callers are not known', async () => {
    const { sessions, use, told } = bench();
    expect(await use(asked(undefined, { session: 's1' }))).toBe(200);
    expect(told).toEqual(['s1']);
    expect(sessions.list()).toEqual([]);
  });
});
