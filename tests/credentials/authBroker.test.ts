import type { Credential, Exchange } from '../../src/contracts.js';
import { presentBearer } from '../../src/credentials/bearer.js';
import { ask, down, exchange, exchangeTo, HOUR, ORIGIN, refusal, world } from './brokerWorld.js';
import { settle } from './steppedClock.js';
import { rejection } from './world.js';

describe('the broker hands out', () => {
  it('a cached token at once, without a promise', async () => {
    const { broker, source } = world();
    await ask(broker);
    const credential = broker.credential('jobs', exchange, ORIGIN) as Credential;
    expect(credential.headers).toEqual(['Authorization', 'Bearer token-1']);
    expect(source.asked).toBe(1);
  });

  it('one token to two hundred who ask at the same time', async () => {
    const { broker, source } = world();
    const all = await Promise.all(Array.from({ length: 200 }, () => ask(broker, exchangeTo('qlik'))));
    expect(new Set(all)).toEqual(new Set(['token-1']));
    expect(source.asked).toBe(1);
  });

  it('nothing for an origin that is not listed, before anything is fetched', async () => {
    const { broker, source } = world();
    for (const origin of [
      'https://evil.example.com',
      'http://mcp.example.com',
      `${ORIGIN}:8443`,
      `${ORIGIN}.evil.example`,
      '',
    ]) {
      const error = await rejection(Promise.resolve(broker.credential('jobs', exchange, origin)));
      expect(error).toMatchObject({ code: 'CREDENTIAL_ORIGIN_NOT_ALLOWED', status: 403 });
    }
    expect(source.asked).toBe(0);
  });

  it('nothing for a name that nobody configured', async () => {
    const { broker } = world();
    expect(await rejection(Promise.resolve(broker.credential('other', exchange, ORIGIN)))).toMatchObject({
      code: 'INTERNAL',
    });
  });

  it('each caller its own token where the credential is the caller’s, and none to strangers', async () => {
    const { broker, source } = world();
    source.scope = 'caller';
    const by = (subject: string, tenant?: string) =>
      exchangeTo('qlik', {
        principal: { subject, roles: [], claims: {}, ...(tenant === undefined ? {} : { tenant }) },
      });
    const tokens = [
      await ask(broker, by('a')),
      await ask(broker, by('b')),
      await ask(broker, by('a', 't')),
      await ask(broker, by('a')),
    ];
    expect(tokens).toEqual(['token-1', 'token-2', 'token-3', 'token-1']);
    expect((await refusal(broker)).code).toBe('CREDENTIAL_UNAVAILABLE');
  });

  it('an endless token for ever', async () => {
    const { broker, source, clock } = world();
    source.lifeMs = Number.POSITIVE_INFINITY;
    await ask(broker);
    await clock.advance(1000 * HOUR);
    expect(await ask(broker)).toBe('token-1');
  });
});

describe('a caller that leaves', () => {
  it('detaches itself only: the token comes for the others and is kept', async () => {
    const { broker, source } = world();
    let open = () => {};
    source.gate = new Promise((resolve) => {
      open = resolve;
    });
    const leaver = new AbortController();
    const left = rejection(ask(broker, exchangeTo('qlik', { signal: leaver.signal })));
    const stayed = ask(broker);
    leaver.abort(new Error('gone'));
    expect((await left).message).toBe('gone');
    open();
    expect(await stayed).toBe('token-1');
    expect([await ask(broker), source.asked]).toEqual(['token-1', 1]);
  });

  it('leaves no rejection behind that nobody handles', async () => {
    const { broker, source } = world();
    source.trouble = down();
    const gone = exchangeTo('qlik', { signal: AbortSignal.abort(new Error('gone')) });
    expect((await rejection(ask(broker, gone))).message).toBe('gone');
    await settle();
  });
});

describe('a token that nears its end', () => {
  it.each([
    ['an hour', HOUR, 300_000 * 1.05, 10_000],
    ['ten minutes', 600_000, 120_000 * 1.05, 10_000],
    ['half a minute', 30_000, 6_000 * 1.05, 1_500],
    ['three seconds', 3_000, 1_000 * 1.05, 150],
  ])(
    'of %s is refreshed in the background while it serves, and not used at the very end',
    async (_name, lifeMs, ahead, reserve) => {
      const { broker, source, clock } = world();
      source.lifeMs = lifeMs;
      await ask(broker);
      await clock.advance(lifeMs - ahead - 1);
      expect([await ask(broker), source.asked]).toEqual(['token-1', 1]);
      source.trouble = down(lifeMs);
      await clock.advance(1);
      expect([await ask(broker), source.asked]).toEqual(['token-1', 2]);
      await settle();
      await clock.advance(ahead - reserve - 1);
      expect(await ask(broker)).toBe('token-1');
      await clock.advance(1);
      expect((await refusal(broker)).code).toBe('CREDENTIAL_UNAVAILABLE');
    },
  );

  it('is replaced by the fresh one, fetched once', async () => {
    const { broker, source, clock, signals } = world();
    await ask(broker);
    await clock.advance(HOUR - 60_000);
    expect([await ask(broker), await ask(broker)]).toEqual(['token-1', 'token-1']);
    await settle();
    expect([await ask(broker), source.asked]).toEqual(['token-2', 2]);
    expect(signals.emitted.map(({ name }) => name)).toEqual(['token.acquired', 'token.refreshed']);
  });

  it('serves on when the refresh fails, and the provider is asked again with growing pauses', async () => {
    const { broker, source, clock, signals } = world();
    await ask(broker);
    await clock.advance(HOUR - 300_000);
    source.trouble = down();
    for (let second = 0; second < 60; second++) {
      expect(await ask(broker)).toBe('token-1');
      await clock.advance(1000);
    }
    expect(source.asked).toBeGreaterThan(3);
    expect(source.asked).toBeLessThan(9);
    expect(signals.named('token.failed').at(-1)).toMatchObject({
      credential: 'jobs',
      reason: 'the provider is down',
      mend: 'Wait for it.',
    });
    source.trouble = undefined;
    await clock.advance(60_000);
    await ask(broker);
    await settle();
    expect(await ask(broker)).toBe(`token-${source.asked}`);
  });
});

describe('a refused token', () => {
  it('is dropped, and the next call has a fresh one at once', async () => {
    const { broker, signals } = world();
    const credential = await broker.credential('jobs', exchange, ORIGIN);
    expect(broker.reject('jobs', credential)).toBe(true);
    expect(await ask(broker)).toBe('token-2');
    expect(signals.named('token.rejected')).toEqual([{ credential: 'jobs', renewable: true }]);
  });

  it('takes no newer one with it', async () => {
    const { broker, source, signals } = world();
    const credentials = [
      await broker.credential('jobs', exchange, ORIGIN),
      await broker.credential('jobs', exchange, ORIGIN),
    ] as const;
    broker.reject('jobs', credentials[0]);
    await ask(broker);
    expect(broker.reject('jobs', credentials[1])).toBe(true);
    expect([await ask(broker), source.asked]).toEqual(['token-2', 2]);
    expect(signals.named('token.rejected')).toHaveLength(1);
  });

  it('of one caller leaves the other callers’ alone', async () => {
    const { broker, source } = world();
    source.scope = 'caller';
    const [a, b] = ['a', 'b'].map((subject) =>
      exchangeTo('qlik', { principal: { subject, roles: [], claims: {} } }),
    ) as [Exchange, Exchange];
    const credential = await broker.credential('jobs', a, ORIGIN);
    await ask(broker, b);
    broker.reject('jobs', credential);
    expect([await ask(broker, b), await ask(broker, a)]).toEqual(['token-2', 'token-3']);
  });

  it('that an operator wrote down is not worth a replay', async () => {
    const { broker, source } = world();
    source.renewable = false;
    expect(broker.reject('jobs', await broker.credential('jobs', exchange, ORIGIN))).toBe(false);
  });

  it('that the broker never handed out is nobody’s', () => {
    const { broker } = world();
    const token = { value: 'x', obtainedAt: 0, expiresAt: 1 };
    expect(broker.reject('jobs', presentBearer(token))).toBe(false);
  });
});

describe('a stop', () => {
  it('ends what runs, blames no provider, and asks none any more', async () => {
    const { broker, source, signals } = world();
    source.gate = new Promise(() => {});
    const error = refusal(broker);
    await settle();
    await broker.close();
    expect((await error).message).toContain('this process is stopping');
    expect((await refusal(broker)).message).toContain('this process is stopping');
    expect([source.asked, signals.emitted]).toEqual([1, []]);
  });
});
