import type { Exchange, McpCall, Principal, Reply, Route } from '../../src/contracts.js';
import { Sessions } from '../../src/gateway/sessions.js';
import { FakeClock, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const ALICE: Principal = { subject: 'corp:alice', roles: [], claims: {} };
const BOB: Principal = { subject: 'corp:bob', roles: [], claims: {} };
const ALICE_ELSEWHERE: Principal = { ...ALICE, tenant: 'other' };

function answer(status = 200, headers: readonly string[] = []): Reply {
  return { status, headers, body: null, origin: 'upstream' };
}

function asked(
  principal: Principal | undefined,
  more: { session?: string; method?: string; destination?: string } = {},
) {
  const headers: Record<string, string> = more.session === undefined ? {} : { 'mcp-session-id': more.session };
  const call: McpCall =
    more.method === 'DELETE'
      ? { kind: 'end', era: 'legacy', body: null }
      : { kind: 'request', era: 'legacy', method: more.method ?? 'tools/call', body: null };
  return fakeExchange(fakeInbound('/mcp', headers), {
    ...(principal ? { principal } : {}),
    call,
    route: { destination: more.destination ?? 'ai' } as Route,
  });
}

describe('sessions', () => {
  function bench(most?: number) {
    const clock = new FakeClock();
    const sessions = new Sessions(clock, most);
    let reply = answer();
    const handler = sessions.guard(async () => reply);
    const begin = async (principal: Principal, id: string, destination = 'ai') => {
      reply = answer(200, ['Mcp-Session-Id', id]);
      await handler(asked(principal, { method: 'initialize', destination }));
      reply = answer();
    };
    const use = async (exchange: Exchange) => {
      clock.time += 2000;
      return (await handler(exchange)).status;
    };
    return { sessions, begin, use };
  }

  it('serve the caller that began them', async () => {
    const { begin, use } = bench();
    await begin(ALICE, 's1');
    expect(await use(asked(ALICE, { session: 's1' }))).toBe(200);
  });

  it.each([
    ['another caller', BOB],
    ['the same subject of another tenant', ALICE_ELSEWHERE],
  ])('stop session theft by %s', async (_who, thief) => {
    const { begin, use } = bench();
    await begin(ALICE, 's1');
    await expect(use(asked(thief, { session: 's1' }))).rejects.toMatchObject({ code: 'SESSION_LOST' });
    await expect(use(asked(thief, { session: 's1', method: 'DELETE' }))).rejects.toMatchObject({
      code: 'SESSION_LOST',
    });
    expect(await use(asked(ALICE, { session: 's1' }))).toBe(200);
  });

  it('stop session fixation: an id that a caller made up is nobody else’s', async () => {
    const { begin, use } = bench();
    await use(asked(BOB, { session: 'planted' }));
    await expect(use(asked(ALICE, { session: 'planted' }))).rejects.toMatchObject({ code: 'SESSION_LOST' });
    await expect(begin(ALICE, 'planted')).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('are told apart by destination', async () => {
    const { begin, use } = bench();
    await begin(ALICE, 's1', 'ai');
    await begin(BOB, 's1', 'crm');
    expect(await use(asked(BOB, { session: 's1', destination: 'crm' }))).toBe(200);
    await expect(use(asked(BOB, { session: 's1', destination: 'ai' }))).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('end with a DELETE, and when an operator ends them', async () => {
    const { sessions, begin, use } = bench();
    await begin(ALICE, 's1');
    await begin(ALICE, 's2');
    await use(asked(ALICE, { session: 's1', method: 'DELETE' }));
    const [left] = sessions.list();
    expect(sessions.list()).toEqual([expect.objectContaining({ subject: ALICE.subject, destination: 'ai' })]);
    expect(JSON.stringify(left)).not.toContain('s2');
    expect([sessions.end(left?.id as string), sessions.end('unknown')]).toEqual([true, false]);
    for (const session of ['s1', 's2']) {
      await expect(use(asked(ALICE, { session }))).rejects.toMatchObject({ code: 'SESSION_LOST' });
    }
  });

  it('never hold more than so many: the one used longest ago goes', async () => {
    const { sessions, begin, use } = bench(2);
    await begin(ALICE, 's1');
    await begin(ALICE, 's2');
    await use(asked(ALICE, { session: 's1' }));
    await begin(ALICE, 's3');
    expect(sessions.list()).toHaveLength(2);
    await expect(use(asked(BOB, { session: 's1' }))).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('mean nothing where callers are not known', async () => {
    const { sessions, use } = bench();
    expect(await use(asked(undefined, { session: 's1' }))).toBe(200);
    expect(sessions.list()).toEqual([]);
  });
});
