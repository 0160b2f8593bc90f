import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, call, callTool, codeOf, request } from '../helpers/calls.js';
import {
  type Handler,
  inTurn,
  json,
  refusesFirstToken,
  reset,
  startUpstream,
  status,
} from '../helpers/upstreamFixture.js';
import { startWorld, type World } from './world.js';

const RESET_MS = 600;

/** How often a token is asked for and an upstream is called, by the counts of those who were. */
describe('counts', () => {
  const names = ['many', 'refused', 'forbidden', 'crowd', 'dies', 'safe', 'late', 'breaks', 'short'] as const;
  let world: World<(typeof names)[number]>;

  beforeAll(async () => {
    const plans = Object.fromEntries(names.map((name) => [name, {}])) as Record<(typeof names)[number], object>;
    world = await startWorld(
      { ...plans, safe: { options: { safeTools: ['read_*'] } }, short: { expiresIn: 2, delayMs: 400 } },
      {
        resilience: {
          retry: { attempts: 6, baseMs: 150, maxMs: 2000 },
          circuitBreaker: { failures: 5, resetMs: RESET_MS },
        },
      },
    );
  });
  afterAll(() => world?.close());

  it('asks for one token for two hundred concurrent first calls', async () => {
    const { url, issuer, upstream } = world.places.many;
    const answers = await Promise.all(Array.from({ length: 200 }, () => callTool(url, 'echo')));
    expect(statusesOf(answers)).toEqual({ 200: 200 });
    expect({ tokens: issuer.requests.length, calls: upstream.requests.length }).toEqual({ tokens: 1, calls: 200 });
  });

  it.each([
    ['refused', 401],
    ['forbidden', 403],
  ] as const)(
    'replays once with a fresh token where the upstream answers the first with %s (%i)',
    async (name, code) => {
      const { url, issuer, upstream } = world.places[name];
      upstream.handler = refusesFirstToken(code, json({}));
      expect((await callTool(url, 'echo')).status).toBe(200);
      expect(tokensSeen(name)).toEqual(issuer.tokens);
      expect(issuer.requests).toHaveLength(2);
      expect(upstream.requests).toHaveLength(2);
    },
  );

  it('asks for one new token when a hundred calls are refused with the same old one', async () => {
    const { url, issuer, upstream } = world.places.crowd;
    expect((await callTool(url, 'echo')).status).toBe(200);
    upstream.handler = refusesWhenAllAreThere(100);
    const answers = await Promise.all(Array.from({ length: 100 }, () => callTool(url, 'echo')));
    expect(statusesOf(answers)).toEqual({ 200: 100 });
    expect({ tokens: issuer.requests.length, calls: upstream.requests.length }).toEqual({ tokens: 2, calls: 201 });
  });

  it('never sends a tool call twice that the upstream may have done', async () => {
    const { url, upstream } = world.places.dies;
    upstream.handler = inTurn(reset(), json({}));
    const answer = await callTool(url, 'transfer_money');
    expect([answer.status, codeOf(answer)]).toEqual([502, 'UPSTREAM_BROKE']);
    await sleep(300);
    expect(upstream.requests).toHaveLength(1);
  });

  it('repeats what only reads, and tools that the operator calls safe', async () => {
    const { url, upstream } = world.places.safe;
    upstream.handler = inTurn(reset(), json({ tools: [] }), status(503), json({}));
    expect((await call(url, 'tools/list')).text).toBe('{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}');
    expect((await callTool(url, 'read_file')).status).toBe(200);
    expect(upstream.requests).toHaveLength(4);
  });

  it('repeats any call that never reached its upstream', async () => {
    const { url, upstream } = world.places.late;
    const { port } = upstream;
    await upstream.close();
    const answer = callTool(url, 'transfer_money');
    await world.drawbridge.record(({ signal, destination }) => signal === 'attempt.repeated' && destination === 'late');
    const back = await startUpstream(json({}), { port });
    expect((await answer).status).toBe(200);
    expect(back.requests).toHaveLength(1);
    await back.close();
  });

  it('leaves an upstream alone that failed repeatedly, and comes back to it', async () => {
    const { url, upstream } = world.places.breaks;
    upstream.handler = status(503);
    for (let failure = 0; failure < 5; failure++) expect((await callTool(url, 'echo')).text).toBe('');
    const refusal = await callTool(url, 'echo');
    expect([refusal.status, codeOf(refusal), refusal.headers.get('retry-after')]).toEqual([503, 'CIRCUIT_OPEN', '1']);
    expect(upstream.requests).toHaveLength(5);
    expect(await circuitOf('breaks')).toBe('open');

    upstream.handler = json({});
    await sleep(RESET_MS + 50);
    expect((await callTool(url, 'echo')).status).toBe(200);
    expect(await circuitOf('breaks')).toBe('closed');
    expect((await callTool(url, 'echo')).status).toBe(200);
  });

  it('renews a token ahead of its end, so that no call fails or waits', async () => {
    const { url, issuer, upstream } = world.places.short;
    upstream.handler = (seen, response, incoming) =>
      (issuer.accepts(tokenOf(seen.header('authorization'))) ? json({}) : status(401))(seen, response, incoming);
    const first = await callTool(url, 'echo');
    const answers: Answer[] = [first];
    for (const end = Date.now() + 3200; Date.now() < end; await sleep(30)) answers.push(await callTool(url, 'echo'));
    const [, ...later] = world.drawbridge
      .records()
      .filter(({ signal, destination }) => signal === 'exchange' && destination === 'short');
    expect(statusesOf(answers)).toEqual({ 200: answers.length });
    expect(issuer.requests).toHaveLength(3);
    expect(Math.max(...later.map(({ tokenMs }) => Number(tokenMs)))).toBeLessThan(200);
    expect(later.filter(({ attempts }) => attempts !== 1)).toEqual([]);
  });

  function tokensSeen(name: (typeof names)[number]): string[] {
    return world.places[name].upstream.requests.map((seen) => tokenOf(seen.header('authorization')));
  }

  async function circuitOf(name: string): Promise<string | undefined> {
    const { text } = await request(`${world.drawbridge.url}/health/ready`);
    return (JSON.parse(text) as { destinations: Record<string, { circuit: string }> }).destinations[name]?.circuit;
  }
});

function statusesOf(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function tokenOf(authorization: string | undefined): string {
  return authorization?.replace(/^Bearer /, '') ?? '';
}

/**
 * Holds the first `count` requests until all are there, then refuses half of them; the others only when somebody is back
 * with a new token, which they must not cost. Whoever comes later is answered.
 */
function refusesWhenAllAreThere(count: number): Handler {
  const held: (() => void)[] = [];
  let come = 0;
  return (seen, response, incoming) => {
    come += 1;
    if (come <= count) held.push(() => void status(401)(seen, response, incoming));
    if (come === count) for (const refuse of held.splice(0, count / 2)) refuse();
    if (come <= count) return;
    for (const refuse of held.splice(0)) refuse();
    return json({})(seen, response, incoming);
  };
}
