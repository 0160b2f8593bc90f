import { generateKeyPairSync, sign, verify } from 'node:crypto';
import type { Quotas } from '../../src/contracts/callers.js';
import type { Exchange, Handler, Outcome, Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { errorReply } from '../../src/gateway/errorReply.js';
import { createLimitAddress, createLimitCaller } from '../../src/gateway/limits.js';
import { createObserve } from '../../src/gateway/observe.js';
import { createQuotas, nothingHeld } from '../../src/policy/quotas.js';
import { quotasSchema } from '../../src/policy/quotasSchema.js';
import { FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const passed: Reply = { status: 299, headers: ['x-own', '1'], body: null, origin: 'upstream' };
const socketAddress = (socket: string) => socket;
const principal = { subject: 'keys:alice', roles: [], claims: {} };

function quotas(options: object) {
  const clock = new FakeClock();
  const deps = { clock, signals: new FakeSignals(), clientAddress: socketAddress };
  return { clock, made: createQuotas(quotasSchema.parse(options), deps) };
}

function exchange(ended?: Exchange['ended']): Exchange {
  const request = fakeInbound('/mcp');
  return fakeExchange(request, { principal, call: fakeCall('tools/list'), ended: ended ?? (() => {}) });
}

/** As the door ends it. */
function end(over: Exchange, outcome: Outcome = 'complete'): void {
  const { ended } = over;
  over.ended = undefined;
  ended?.(over, outcome, 200);
}

const failure = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('limitAddress', () => {
  it('refuses with 429, Retry-After and the limit’s header lines', () => {
    const { made } = quotas({ perAddress: '1/m' });
    const stage = createLimitAddress(made, socketAddress);
    expect(stage(exchange(), () => passed)).toBe(passed);
    const error = failure(() => stage(exchange(), () => passed)) as GatewayError;
    const reply = errorReply(error, exchange());
    expect(reply.status).toBe(429);
    const lines = [
      'retry-after',
      '60',
      'ratelimit',
      '"perAddress";r=0;t=60',
      'ratelimit-policy',
      '"perAddress";q=1;w=60',
    ];
    expect(reply.headers.slice(-6)).toEqual(lines);
  });

  it('takes the address that trusted proxies vouch for', () => {
    const { made } = quotas({ perAddress: '1/m' });
    const stage = createLimitAddress(made, (_socket, behind) => behind ?? '');
    const from = (address: string) => fakeExchange(fakeInbound('/mcp', { 'x-forwarded-for': address }));
    stage(from('192.0.2.1'), () => passed);
    expect(stage(from('192.0.2.2'), () => passed)).toBe(passed);
    expect(() => stage(from('192.0.2.1'), () => passed)).toThrow(GatewayError);
  });

  it('answers 503 with Retry-After while the process is overloaded', () => {
    const { made, clock } = quotas({ shed: { lagMs: 250 } });
    for (let i = 0; i < 20; i++) made.observeLag(1000);
    clock.chance = 0;
    const error = failure(() => createLimitAddress(made, socketAddress)(exchange(), () => passed)) as GatewayError;
    expect([error.code, error.status, error.retryAfter]).toEqual(['OVERLOADED', 503, 1]);
    made.close();
  });

  it('a flood of bad tokens reaches the crypto a few times only, and costs less than a good call', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const token = Buffer.from('header.payload');
    const signature = sign(null, token, privateKey);
    const { made } = quotas({ perAddress: '60/m' });
    const stage = createLimitAddress(made, socketAddress);
    let looks = 0;
    const identify = () => {
      looks += 1;
      if (verify(null, Buffer.from('forged'), publicKey, signature)) return passed;
      made.blame('127.0.0.1');
      throw new GatewayError('CALLER_UNKNOWN', 'the token is not valid');
    };
    const time = (count: number, work: () => unknown) => {
      const start = performance.now();
      for (let i = 0; i < count; i++) failure(work);
      return (performance.now() - start) / count;
    };
    time(100, () => stage(exchange(), identify));
    expect(looks).toBeLessThanOrEqual(6);
    const refused = time(5000, () =>
      errorReply(failure(() => stage(exchange(), identify)) as GatewayError, exchange()),
    );
    expect(refused).toBeLessThan(time(500, () => verify(null, token, publicKey, signature)));
    expect(looks).toBeLessThanOrEqual(6);
  });
});

describe('limitCaller', () => {
  it('adds the limit’s header lines to the answer, and to a later one', async () => {
    const { clock, made } = quotas({ perCaller: '60/m' });
    const stage = createLimitCaller(made);
    const running = { enter() {}, leave() {} };
    const signals = new FakeSignals();
    const observe = createObserve({ clock, signals, running, clientAddress: socketAddress, upstreamBroke() {} });
    const answer = (terminal: Handler) => observe(exchange(), (observed) => stage(observed, terminal));
    const now = answer(() => passed) as Reply;
    expect(now.headers).toEqual([
      'x-own',
      '1',
      'ratelimit',
      '"perCaller";r=59;t=1',
      'ratelimit-policy',
      '"perCaller";q=60;w=60',
    ]);
    const later = await answer(async () => passed);
    expect(later.headers).toContain('"perCaller";r=58;t=2');
    expect(passed.headers).toHaveLength(2);
  });

  it('leaves the answer and the exchange as they are where nothing limits the call', () => {
    const stage = createLimitCaller(quotas({}).made);
    const over = exchange();
    const { ended } = over;
    expect(stage(over, () => passed)).toBe(passed);
    expect(over.ended).toBe(ended);
  });

  it('puts nothing around the end of an exchange that holds no place', () => {
    const { made } = quotas({ perCaller: '60/m' });
    const over = exchange();
    const { ended } = over;
    createLimitCaller(made)(over, () => passed);
    expect(over.ended).toBe(ended);
    expect(made.admitCall(over)).toHaveProperty('release', nothingHeld);
  });

  it.each<Outcome>(['complete', 'caller-left', 'upstream-broke'])(
    'gives the place back once when the exchange ends as %s, and lets the record be written',
    (outcome) => {
      const stage = createLimitCaller(quotas({ concurrent: { perCaller: 1 } }).made);
      const seen: string[] = [];
      const first = exchange((_exchange, ended, status) => seen.push(`${ended} ${status}`));
      stage(first, () => passed);
      expect(() => stage(exchange(), () => passed)).toThrow(
        expect.objectContaining({ code: 'QUOTA_EXCEEDED', retryAfter: 1 }),
      );
      end(first, outcome);
      end(first, outcome);
      expect(seen).toEqual([`${outcome} 200`]);
      const second = exchange();
      stage(second, () => passed);
      expect(() => stage(exchange(), () => passed)).toThrow(GatewayError);
    },
  );

  it('holds the place while an answer streams, and past a stage that throws until the exchange ends', () => {
    const stage = createLimitCaller(quotas({ concurrent: { perCaller: 1 } }).made);
    const broken = exchange();
    failure(() =>
      stage(broken, () => {
        throw new Error('broken');
      }),
    );
    end(broken);
    const streaming = exchange();
    stage(streaming, () => ({ ...passed, body: () => ({ resume() {}, cancel() {} }) }));
    expect(() => stage(exchange(), () => passed)).toThrow(GatewayError);
    end(streaming);
    expect(stage(exchange(), () => passed)).toMatchObject({ status: 299 });
  });

  it('gives the place back at once where the caller left while the store was asked', async () => {
    let released = 0;
    const release = () => {
      released += 1;
    };
    const admission = { headers: [], release };
    const made: Quotas = { admitAddress: () => undefined, blame() {}, admitCall: async () => admission };
    const over = exchange();
    const answer = createLimitCaller(made)(over, () => passed);
    end(over, 'caller-left');
    await expect(answer).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(released).toBe(1);
  });
});
