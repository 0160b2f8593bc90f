import type { AuthToken, Exchange, Principal } from '../../src/contracts.js';
import { CallerProof } from '../../src/core/callerProof.js';
import { proofFor } from '../../src/credentials/callersToken.js';
import { ask, down, exchangeTo, type FakeSource, HOUR, ORIGIN, refusal, world } from './brokerWorld.js';
import { settle } from './steppedClock.js';
import { everyPrintOf } from './world.js';

const SECRET = 'the.callers.token';

/** Somebody who came with that token; `endsIn` in milliseconds. */
function callerWith(id: string, endsAt?: number, owner: Partial<Principal> = {}): Exchange {
  const proof = new CallerProof(`${SECRET}-${id}`, id, endsAt === undefined ? undefined : endsAt / 1000);
  return exchangeTo('qlik', { principal: { subject: 'corp:ada', roles: [], claims: {}, ...owner, proof } });
}

function proofWorld() {
  const made = world();
  const source = Object.assign(made.source, { scope: 'caller' as const, basis: proofFor('jobs') });
  return { ...made, source };
}

describe('a token that is made from the caller’s proof', () => {
  it('is that proof’s: a newer one, with other scopes perhaps, gets a token of its own', async () => {
    const { broker, source } = proofWorld();
    const tokens = [
      await ask(broker, callerWith('first')),
      await ask(broker, callerWith('second')),
      await ask(broker, callerWith('first')),
    ];
    expect(tokens).toEqual(['token-1', 'token-2', 'token-1']);
    expect(source.asked).toBe(2);
  });

  it('is that owner’s, whatever the proof is called', async () => {
    const { broker } = proofWorld();
    const tokens = [
      await ask(broker, callerWith('same')),
      await ask(broker, callerWith('same', undefined, { subject: 'corp:eve' })),
      await ask(broker, callerWith('same', undefined, { tenant: 't' })),
    ];
    expect(new Set(tokens).size).toBe(3);
  });

  it('is asked for once by two hundred calls with one proof', async () => {
    const { broker, source } = proofWorld();
    const all = await Promise.all(Array.from({ length: 200 }, () => ask(broker, callerWith('one'))));
    expect([new Set(all).size, source.asked]).toEqual([1, 1]);
  });

  it('ends with the proof, and is not asked for again and again as that draws near', async () => {
    const { broker, source, clock } = proofWorld();
    const endsAt = clock.now() + 60_000;
    const by = () => callerWith('short', endsAt);
    expect(await ask(broker, by())).toBe('token-1');
    await clock.advance(59_999);
    expect(await ask(broker, by())).toBe('token-1');
    await settle();
    expect(source.asked).toBe(1);
    await clock.advance(1);
    expect(await refusal(broker, by())).toMatchObject({ code: 'CALLER_UNKNOWN', status: 401 });
    expect(source.asked).toBe(1);
  });

  it('is renewed ahead of its own end while the proof lives on', async () => {
    const { broker, source, clock } = proofWorld();
    const endsAt = clock.now() + 3 * HOUR;
    await ask(broker, callerWith('long', endsAt));
    await clock.advance(HOUR - 30_000);
    expect(await ask(broker, callerWith('long', endsAt))).toBe('token-1');
    await settle();
    expect(await ask(broker, callerWith('long', endsAt))).toBe('token-2');
    expect(source.asked).toBe(2);
  });

  it('is not asked for with a proof that has ended, and the 401 says so', async () => {
    const { broker, source, clock } = proofWorld();
    const error = await refusal(broker, callerWith('late', clock.now()));
    expect(error).toMatchObject({ code: 'CALLER_UNKNOWN', status: 401 });
    expect(error.headers.join(' ')).toMatch(/^WWW-Authenticate Bearer error="invalid_token"/);
    expect(source.asked).toBe(0);
  });

  it('is not to be had by a caller without one, who is told what is needed', async () => {
    const { broker, source } = proofWorld();
    const byKey = exchangeTo('qlik', { principal: { subject: 'keys:robot', roles: [], claims: {} } });
    expect(await refusal(broker, byKey)).toMatchObject({ code: 'CALLER_TOKEN_NEEDED', status: 403 });
    expect((await refusal(broker, byKey)).hint).toMatch(/OAuth token/);
    expect((await refusal(broker)).code).toBe('CREDENTIAL_UNAVAILABLE');
    expect(source.asked).toBe(0);
  });

  it('fails for that proof alone', async () => {
    const { broker, source, clock } = proofWorld();
    source.trouble = down();
    expect((await refusal(broker, callerWith('bad'))).code).toBe('CREDENTIAL_UNAVAILABLE');
    source.trouble = undefined;
    expect(await ask(broker, callerWith('good'))).toBe('token-2');
    expect((await refusal(broker, callerWith('bad'))).code).toBe('CREDENTIAL_UNAVAILABLE');
    expect(source.asked).toBe(2);
    await clock.advance(5000);
    expect(await ask(broker, callerWith('bad'))).toBe('token-3');
  });

  it('is kept of a few proofs of one owner at a time, the oldest being let go of', async () => {
    const { broker, source } = proofWorld();
    for (let n = 0; n < 20; n++) await ask(broker, callerWith(`p${n}`));
    expect(source.asked).toBe(20);
    expect(await ask(broker, callerWith('p19'))).toBe('token-20');
    expect(await ask(broker, callerWith('p0'))).toBe('token-21');
  });

  it('is shown to the source with its caller, and to a source that makes nothing of it without', async () => {
    const seen: unknown[] = [];
    const watch = (source: FakeSource) => {
      const acquire = source.acquire.bind(source);
      source.acquire = (...args: unknown[]): Promise<AuthToken> => {
        seen.push((args[1] as { caller?: Principal }).caller?.proof?.reveal(), args[1]);
        return acquire();
      };
    };
    const one = proofWorld();
    watch(one.source);
    await ask(one.broker, callerWith('x'));
    const other = world();
    other.source.scope = 'caller';
    watch(other.source);
    await ask(other.broker, callerWith('x'));
    expect([seen[0], seen[2]]).toEqual([`${SECRET}-x`, undefined]);
    expect(Object.keys(seen[3] as object).sort()).toEqual(['owner', 'url']);
    expect((seen[3] as { owner: unknown }).owner).toEqual({ subject: 'corp:ada' });
  });

  it('leaves nothing of the proof in a signal, an error or a print', async () => {
    const { broker, source, signals } = proofWorld();
    const by = callerWith('x');
    await ask(broker, by);
    source.trouble = down();
    const error = await refusal(broker, callerWith('y'));
    for (const print of [everyPrintOf(signals.emitted), everyPrintOf(error), everyPrintOf(by.principal)])
      expect(print).not.toContain(SECRET);
  });
});

describe('what a caller sends along for the server', () => {
  it('is passed on for listed origins only, and neither kept nor renewed', async () => {
    const { broker, source } = world();
    let asked = 0;
    const token = { value: '', obtainedAt: 0, expiresAt: 0 };
    const passOn = () => ({ headers: ['Authorization', `Bearer ${++asked}`], token, callers: true as const });
    Object.assign(source, { scope: 'caller', passOn });
    const shown = await broker.credential('jobs', exchangeTo('qlik'), ORIGIN);
    expect(shown.headers).toEqual(['Authorization', 'Bearer 1']);
    expect((await broker.credential('jobs', exchangeTo('qlik'), ORIGIN)).headers[1]).toBe('Bearer 2');
    expect(broker.reject('jobs', shown)).toBe(false);
    const evil = Promise.resolve(broker.credential('jobs', exchangeTo('qlik'), 'https://evil.example.com'));
    await expect(evil).rejects.toMatchObject({ code: 'CREDENTIAL_ORIGIN_NOT_ALLOWED' });
    expect([asked, source.asked]).toEqual([2, 0]);
  });
});
