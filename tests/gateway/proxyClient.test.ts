import type { Attempt, Exchange, McpCall, Reply, Upstream } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { createProxyClient } from '../../src/gateway/proxyClient.js';
import { Circuit } from '../../src/resilience/circuitBreaker.js';
import { RetryBudget, type RetryOptions, safeToRepeat } from '../../src/resilience/retry.js';
import { FakeBroker, FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

type Answer = Reply | GatewayError;

const ok: Reply = { status: 200, headers: [], body: Buffer.from('{}'), origin: 'upstream' };
const broke = new GatewayError('UPSTREAM_BROKE', 'reset');
const unreachable = new GatewayError('UPSTREAM_UNREACHABLE', 'refused', { neverSent: true });

function answer(status: number, headers: string[] = []): Reply {
  return { status, headers, body: Buffer.alloc(0), origin: 'upstream' };
}

/** A proxy client before an upstream that plays the given answers in order, and the last one for ever. */
function bench(
  answers: Answer[],
  more: { retry?: Partial<RetryOptions>; failures?: number; credential?: boolean } = {},
) {
  const clock = new FakeClock();
  const signals = new FakeSignals();
  const broker = new FakeBroker();
  const seen: (string | undefined)[] = [];
  const upstream: Upstream = {
    name: 'ai',
    strategy: 'PROXY',
    allowedOrigins: [],
    allowPrivate: false,
    safeToRepeat: (call) => safeToRepeat(call, (tool) => tool === 'look'),
    resolve: (base) => base,
    send: async (_exchange: Exchange, attempt: Attempt) => {
      seen.push(attempt.credential?.token.value);
      const next = answers[Math.min(seen.length, answers.length) - 1] as Answer;
      if (next instanceof GatewayError) throw next;
      return next;
    },
    close: async () => {},
  };
  const circuit = new Circuit('ai', { failures: more.failures ?? 50, resetMs: 30_000 }, clock, signals);
  const budget = new RetryBudget(clock);
  const retry = { attempts: 3, baseMs: 100, maxMs: 10_000, unsafe: false, ...more.retry };
  const client = createProxyClient({ broker, clock, signals, retry, protection: () => ({ circuit, budget }) });
  const call = (call: McpCall, gone = false) =>
    client(
      fakeExchange(fakeInbound('/mcp'), {
        call,
        route: {
          destination: 'ai',
          upstream,
          url: new URL('https://ai.example.com/mcp'),
          publicOnly: false,
          credential: more.credential === false ? undefined : 'jobs',
        },
        gone,
      }),
    ) as Promise<Reply>;
  return { call, seen, clock, signals, broker, circuit, close: () => circuit.close() };
}

/** As `bench` does it, with a credential that answers may give away. */
async function headersSeen(hides: ReadonlySet<string> | undefined, reply: Reply): Promise<readonly string[]> {
  const { call, broker, close } = bench([reply]);
  const shown = broker.credential();
  Object.assign(shown, hides ? { hides } : {});
  const { headers } = await call(fakeCall('tools/list'));
  close();
  return headers;
}

const list = fakeCall('tools/list');
const act = fakeCall('tools/call', 'act');
const look = fakeCall('tools/call', 'look');

describe('an answer that would give a credential away', () => {
  const given = ['Set-Cookie', 'eas.sid=1', 'X-Other', '1', 'set-cookie', 'b=2'];

  it('comes without what the credential hides', async () => {
    const hides = new Set(['set-cookie']);
    expect(await headersSeen(hides, answer(200, given))).toEqual(['X-Other', '1']);
    expect(await headersSeen(hides, answer(404, given))).toEqual(['X-Other', '1']);
  });

  it('comes as it is where the credential hides nothing', async () => {
    expect(await headersSeen(undefined, answer(200, given))).toEqual(given);
  });
});

describe('a refused credential', () => {
  it.each([401, 403])('%i is replayed exactly once, with a fresh token', async (status) => {
    const { call, seen, close } = bench([answer(status), ok]);
    expect((await call(act)).status).toBe(200);
    expect(seen).toEqual(['token-1', 'token-2']);
    close();
  });

  it('a second 401 becomes a 502, never a 401', async () => {
    const { call, seen, close } = bench([answer(401)]);
    await expect(call(act)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED', status: 502 });
    expect(seen).toHaveLength(2);
    close();
  });

  it('a second 403 with a challenge is about the credential', async () => {
    const { call, close } = bench([answer(403, ['WWW-Authenticate', 'Bearer error="insufficient_scope"'])]);
    await expect(call(act)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    close();
  });

  it('a second 403 without one is the answer, and the fresh token is not blamed again', async () => {
    const { call, seen, broker, close } = bench([answer(403)]);
    expect((await call(act)).status).toBe(403);
    expect((await call(act)).status).toBe(403);
    expect(seen).toEqual(['token-1', 'token-2', 'token-2']);
    expect(broker.issued).toBe(2);
    close();
  });

  it('an upstream that refuses every token costs one token request in half a minute, not one per call', async () => {
    const { call, broker, clock, close } = bench([answer(401)]);
    for (let i = 0; i < 10; i++) await expect(call(act)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    expect(broker.issued).toBe(2);
    clock.time += 31_000;
    await expect(call(act)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    expect(broker.issued).toBe(3);
    close();
  });

  it.each([401, 403])('%i to what the caller itself sent along is the caller’s to hear', async (status) => {
    const { call, seen, broker, close } = bench([answer(status, ['WWW-Authenticate', 'Bearer realm="theirs"'])]);
    const own = { ...broker.credential(), callers: true as const };
    broker.credential = () => own;
    const reply = await call(act);
    expect([reply.status, reply.headers]).toEqual([status, ['WWW-Authenticate', 'Bearer realm="theirs"']]);
    expect(seen).toHaveLength(1);
    close();
  });

  it('what an operator wrote down is not replayed', async () => {
    const { call, seen, broker, close } = bench([answer(401)]);
    broker.renewable = false;
    await expect(call(act)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    expect(seen).toHaveLength(1);
    close();
  });

  it("without a credential of ours, the upstream's 401 passes", async () => {
    const { call, seen, close } = bench([answer(401, ['WWW-Authenticate', 'Bearer'])], { credential: false });
    expect((await call(act)).headers).toEqual(['WWW-Authenticate', 'Bearer']);
    expect(seen).toEqual([undefined]);
    close();
  });
});

describe('repeating', () => {
  it.each([
    ['a list', list],
    ['a tool known to be safe', look],
  ])('%s is repeated when the upstream broke off', async (_what, call) => {
    const { call: send, seen, clock, close } = bench([broke, ok]);
    expect((await send(call)).status).toBe(200);
    expect(seen).toHaveLength(2);
    // Full jitter: half of the base, as the fake chance says.
    expect(clock.slept).toEqual([50]);
    close();
  });

  it('a tool call whose upstream broke off is never sent twice', async () => {
    const { call, seen, close } = bench([broke, ok]);
    await expect(call(act)).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    expect(seen).toHaveLength(1);
    close();
  });

  it('unless the user chose that', async () => {
    const { call, seen, close } = bench([broke, ok], { retry: { unsafe: true } });
    expect((await call(act)).status).toBe(200);
    expect(seen).toHaveLength(2);
    close();
  });

  it('a tool call that was never sent is sent again', async () => {
    const { call, seen, close } = bench([unreachable, ok]);
    expect((await call(act)).status).toBe(200);
    expect(seen).toHaveLength(2);
    close();
  });

  it('attempts count the first one, and the last failure is told', async () => {
    const { call, seen, close } = bench([broke]);
    await expect(call(list)).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    expect(seen).toHaveLength(3);
    close();
  });

  it('Retry-After is honoured, and passed on where it is too long to wait for', async () => {
    const short = bench([answer(503, ['Retry-After', '2']), ok]);
    expect((await short.call(list)).status).toBe(200);
    expect(short.clock.slept).toEqual([2000]);
    short.close();
    const long = bench([answer(429, ['Retry-After', '60']), ok]);
    expect((await long.call(list)).status).toBe(429);
    expect(long.clock.slept).toEqual([]);
    long.close();
  });

  it('retries stay within a fifth of the calls', async () => {
    const { call, seen, close } = bench([answer(503)], { failures: 10_000 });
    for (let i = 0; i < 100; i++) expect((await call(list)).status).toBe(503);
    expect(seen.length - 100).toBeLessThanOrEqual(20);
    expect(seen.length).toBeGreaterThan(100);
    close();
  });
});

describe('the circuit', () => {
  it('opens after so many failures in a row, refuses with the time to wait, and spares provider and upstream', async () => {
    const { call, seen, broker, clock, close } = bench([broke], { failures: 5 });
    for (let i = 0; i < 5; i++) await expect(call(act)).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    clock.time += 10_000;
    await expect(call(act)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', status: 503, retryAfter: 20 });
    expect(seen).toHaveLength(5);
    expect(broker.issued).toBe(1);
    close();
  });

  it.each([401, 404, 429, 500])('an answer of %i is no failure of the destination', async (status) => {
    const { call, circuit, close } = bench([answer(status)], { failures: 2, credential: false });
    for (let i = 0; i < 5; i++) await call(act);
    expect(circuit.state).toBe('closed');
    close();
  });

  it('a caller that leaves is no failure of the destination', async () => {
    const { call, circuit, close } = bench([new GatewayError('CALLER_LEFT', 'left')], { failures: 1 });
    await expect(call(act, true)).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(circuit.state).toBe('closed');
    close();
  });

  it('streams that die later count', async () => {
    const { circuit, close } = bench([ok], { failures: 2 });
    circuit.count('bad');
    circuit.count('bad');
    expect(circuit.state).toBe('open');
    close();
  });
});
