import { ask, down, exchange, exchangeTo, HOUR, ORIGIN, refusal, world } from './brokerWorld.js';
import { everyPrintOf } from './world.js';

describe('a provider that fails', () => {
  it('is asked once for all who wait, and each hears of its own destination', async () => {
    const { broker, source } = world();
    source.trouble = down();
    const errors = await Promise.all(
      Array.from({ length: 50 }, (_, index) => refusal(broker, exchangeTo(`d${index}`))),
    );
    expect(source.asked).toBe(1);
    expect(errors[7]).toMatchObject({
      code: 'CREDENTIAL_UNAVAILABLE',
      message: 'no token for d7 from the credential jobs: the provider is down',
      hint: 'Wait for it.',
      retryAfter: 2,
    });
  });

  it('is left alone between tries, for 1 s at first and 60 s at most', async () => {
    const { broker, source, clock } = world();
    source.trouble = down();
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt++) {
      pauses.push((await refusal(broker)).retryAfter ?? 0);
      await refusal(broker);
      expect(source.asked).toBe(attempt);
      await clock.advance((pauses.at(-1) ?? 0) * 1000);
    }
    expect(pauses).toEqual([2, 3, 6, 12, 24, 45, 45, 45]);
  });

  it.each([
    [7_000, 7],
    [0, 1],
    [HOUR, 300],
  ])('that says Retry-After %d ms is left alone for %d s', async (retryAfterMs, seconds) => {
    const { broker, source, clock } = world();
    source.trouble = down(retryAfterMs);
    expect((await refusal(broker)).retryAfter).toBe(seconds);
    await clock.advance(seconds * 1000 - 1);
    await refusal(broker);
    expect(source.asked).toBe(1);
    source.trouble = undefined;
    await clock.advance(1);
    expect(await ask(broker)).toBe('token-2');
  });

  it('is forgiven by its first token', async () => {
    const { broker, source, clock } = world();
    source.trouble = down();
    await refusal(broker);
    await clock.advance(2000);
    source.trouble = undefined;
    const credential = await broker.credential('jobs', exchange, ORIGIN);
    source.trouble = down();
    broker.reject('jobs', credential);
    expect((await refusal(broker)).retryAfter).toBe(2);
  });

  it('while nobody waited is worth one try to whoever needs a token, and no more', async () => {
    const { broker, source, clock } = world();
    const credential = await broker.credential('jobs', exchange, ORIGIN);
    await clock.advance(HOUR - 60_000);
    source.trouble = down();
    expect(await ask(broker)).toBe('token-1');
    await clock.advance(0);
    expect(source.asked).toBe(2);
    broker.reject('jobs', credential);
    await Promise.all(Array.from({ length: 20 }, () => refusal(broker)));
    expect(source.asked).toBe(3);
    await refusal(broker);
    expect(source.asked).toBe(3);
  });

  it('while nobody waited, and is well again, keeps nobody waiting', async () => {
    const { broker, source, clock } = world();
    const credential = await broker.credential('jobs', exchange, ORIGIN);
    await clock.advance(HOUR - 60_000);
    source.trouble = down();
    await ask(broker);
    await clock.advance(0);
    source.trouble = undefined;
    broker.reject('jobs', credential);
    expect(await ask(broker)).toBe('token-3');
  });

  it('and asked for a pause has it, though a token is needed', async () => {
    const { broker, source, clock } = world();
    const credential = await broker.credential('jobs', exchange, ORIGIN);
    await clock.advance(HOUR - 60_000);
    source.trouble = down(7_000);
    await ask(broker);
    await clock.advance(0);
    broker.reject('jobs', credential);
    await refusal(broker);
    expect(source.asked).toBe(2);
  });

  it('without a word of its own is not quoted', async () => {
    const { broker, source, signals } = world();
    source.trouble = new TypeError('canary');
    const error = await refusal(broker);
    expect(error.message).toBe('no token for qlik from the credential jobs: it failed for a reason that is not known');
    expect(error.cause).toBe(source.trouble);
    expect(everyPrintOf(signals.emitted)).not.toContain('canary');
  });

  it('by not answering is given up after 15 s, whether it listens or not', async () => {
    const { broker, source, clock } = world();
    source.gate = new Promise(() => {});
    const error = refusal(broker);
    await clock.advance(14_999);
    expect(clock.sleeping).toBe(1);
    await clock.advance(1);
    expect((await error).message).toContain('no token came within 15 s');
    expect(clock.sleeping).toBe(0);
  });
});
