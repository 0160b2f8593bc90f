import { systemClock } from '../../src/core/async.js';
import { Shedder, watchEventLoop } from '../../src/resilience/eventLoopLag.js';
import { Bucket, type Rate, TokenBuckets } from '../../src/resilience/tokenBucket.js';
import { FakeSignals } from '../helpers/fakes.js';

const perMinute = (count: number, burst = count): Rate => ({ count, periodMs: 60_000, burst });

describe('a token bucket', () => {
  it('holds its burst, then fills up again at its rate', () => {
    const bucket = new Bucket(perMinute(60, 5));
    for (let i = 0; i < 5; i++) {
      expect(bucket.waitMs(0, 1)).toBe(0);
      bucket.take(0, 1);
    }
    expect(bucket.waitMs(0, 1)).toBe(1000);
    expect(bucket.waitMs(999, 1)).toBe(1);
    expect(bucket.waitMs(1000, 1)).toBe(0);
    expect(bucket.remaining(3000)).toBe(3);
    expect(bucket.remaining(60_000)).toBe(5);
  });

  it('never loses a token to rounding', () => {
    for (const count of [3, 7, 11, 13, 997]) {
      const bucket = new Bucket({ count, periodMs: 1000, burst: count });
      const start = 1_234_567_890.123;
      for (let i = 0; i < count; i++) {
        expect(bucket.waitMs(start, 1)).toBe(0);
        bucket.take(start, 1);
      }
      expect(bucket.waitMs(start, 1)).toBeGreaterThan(0);
    }
  });

  it('never lets more through than burst plus rate, whenever it is asked', () => {
    const bucket = new Bucket(perMinute(600, 50));
    let taken = 0;
    for (let now = 0; now < 10_000; now += 7) {
      if (bucket.waitMs(now, 1) > 0) continue;
      bucket.take(now, 1);
      taken += 1;
    }
    expect(taken).toBeLessThanOrEqual(150);
    expect(taken).toBeGreaterThanOrEqual(149);
  });

  it('says that more than it can hold will never be there', () => {
    expect(new Bucket(perMinute(60, 5)).waitMs(0, 6)).toBe(Number.POSITIVE_INFINITY);
  });

  it('goes into debt by no more than another burst', () => {
    const bucket = new Bucket(perMinute(60, 5));
    for (let i = 0; i < 100; i++) bucket.draw(0, 10);
    expect(bucket.waitMs(0, 1)).toBe(6000);
  });

  it('takes back what another limit refused', () => {
    const bucket = new Bucket(perMinute(60, 5));
    bucket.take(0, 5);
    bucket.giveBack(5);
    expect(bucket.remaining(0)).toBe(5);
  });
});

describe('a table of token buckets', () => {
  const clock = { time: 0, monotonic: () => clock.time };
  beforeEach(() => {
    clock.time = 0;
  });

  it('keeps keys apart', () => {
    const buckets = new TokenBuckets(perMinute(1), clock);
    buckets.of('a').take(0, 1);
    expect(buckets.of('a').waitMs(0, 1)).toBe(60_000);
    expect(buckets.of('b').waitMs(0, 1)).toBe(0);
  });

  it('forgets full buckets first, and keeps what is owed', () => {
    const buckets = new TokenBuckets(perMinute(60), clock, 8);
    for (const key of 'abcdefg') buckets.of(key);
    buckets.of('owes').take(0, 60);
    buckets.of('new');
    expect(buckets.size).toBe(2);
    expect(buckets.of('owes').waitMs(0, 1)).toBe(1000);
  });

  it('a flood of new keys washes no debt away and stays within its bounds', () => {
    const buckets = new TokenBuckets(perMinute(60), clock, 100);
    buckets.of('owes').draw(0, 120);
    for (let i = 0; i < 10_000; i++) {
      buckets.of(`flood-${i}`).take(0, 1);
      expect(buckets.size).toBeLessThanOrEqual(100);
    }
    expect(buckets.of('owes').waitMs(0, 1)).toBeGreaterThan(60_000);
  });
});

describe('shedding', () => {
  function shedder() {
    const signals = new FakeSignals();
    const clock = { chance: 0.5, random: () => clock.chance };
    return { made: new Shedder(250, { clock, signals }), clock, names: () => signals.emitted.map(({ name }) => name) };
  }

  it('refuses nobody for a single late tick', () => {
    const { made, clock, names } = shedder();
    clock.chance = 0;
    made.observe(5000);
    made.observe(0);
    made.observe(5000);
    expect(made.refuses()).toBe(false);
    expect(names()).toEqual([]);
  });

  it('refuses a share that grows while the loop lags, never all, and shrinks to none', () => {
    const { made, clock, names } = shedder();
    const shares: number[] = [];
    for (let i = 0; i < 50; i++) {
      made.observe(300);
      shares.push(made.share);
    }
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares[0]).toBe(0);
    expect(made.share).toBe(0.95);
    clock.chance = 0.96;
    expect(made.refuses()).toBe(false);
    clock.chance = 0.94;
    expect(made.refuses()).toBe(true);
    for (let i = 0; i < 40; i++) made.observe(0);
    clock.chance = 0;
    expect(made.refuses()).toBe(false);
    expect(names()).toEqual(['overload.began', 'overload.ended']);
  });

  it('grows faster where the loop is later', () => {
    const [a, b] = [shedder().made, shedder().made];
    for (let i = 0; i < 3; i++) {
      a.observe(260);
      b.observe(700);
    }
    expect(b.share).toBeGreaterThan(2 * a.share);
  });

  it('is told how late the loop is, by a timer that keeps no process alive', async () => {
    const seen: number[] = [];
    const stop = watchEventLoop(systemClock, (lagMs) => seen.push(lagMs));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const until = performance.now() + 400;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop();
    expect(seen[0]).toBeGreaterThan(200);
  });
});
