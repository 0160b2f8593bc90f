import type { PoolMember } from '../../src/contracts/pools.js';
import { BalancedPool } from '../../src/resilience/pool.js';
import { poolSchema } from '../../src/resilience/poolSchema.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

const NOBODY: ReadonlySet<PoolMember> = new Set();

/** The same numbers every time (a linear congruential generator). */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function bench(weights: number[], options: object = {}, seed = 7) {
  const clock = new FakeClock();
  clock.random = chances(seed);
  const signals = new FakeSignals();
  const urls = weights.map((weight, index) => ({ url: new URL(`https://m${index}.example.com/mcp`), weight }));
  const pool = new BalancedPool('ai', urls, { ...poolSchema.parse(options), sticky: false }, { clock, signals });
  const counts = (calls: number) => {
    const seen = weights.map(() => 0);
    for (let i = 0; i < calls; i++) {
      const at = pool.members.indexOf(pool.choose(NOBODY));
      seen[at] = (seen[at] as number) + 1;
    }
    return seen;
  };
  const call = (index: number, health: 'good' | 'bad', ms = 10, neverSent = false) => {
    const turn = pool.begin(pool.members[index] as PoolMember);
    turn.settle(health, ms, neverSent);
    turn.end();
  };
  return { pool, clock, signals, counts, call };
}

describe('a pool', () => {
  it('spreads idle calls by weight, and leaves nobody out', () => {
    const [one = 0, two = 0, three = 0] = bench([1, 1, 2]).counts(4000);
    expect(one).toBeGreaterThan(850);
    expect(two).toBeGreaterThan(850);
    expect(three).toBeGreaterThan(1800);
  });

  it('prefers whoever has less to do', () => {
    const { pool, counts } = bench([1, 1]);
    for (let i = 0; i < 20; i++) pool.begin(pool.members[0] as PoolMember);
    const [busy = 0, idle = 0] = counts(1000);
    expect(idle).toBeGreaterThan(700);
    // Named twice, even the busy one gets a call: a worse member never starves.
    expect(busy).toBeGreaterThan(150);
  });

  it('keeps what is under way within reach of each other, whoever ends when', () => {
    const { pool, clock } = bench([1, 1, 1, 1]);
    const turns: ReturnType<typeof pool.begin>[] = [];
    for (let i = 0; i < 2000; i++) {
      turns.push(pool.begin(pool.choose(NOBODY)));
      if (turns.length > 40) turns.splice(Math.floor(clock.random() * turns.length), 1)[0]?.end();
    }
    const loads = pool.members.map(({ inFlight }) => inFlight);
    expect(loads.reduce((sum, load) => sum + load, 0)).toBe(40);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(8);
  });

  it('by score: prefers the faster and the healthier, and goes on asking the others', () => {
    const { counts, call } = bench([1, 1, 1], { choice: 'score' });
    for (let i = 0; i < 30; i++) {
      call(0, 'good', 10);
      call(1, 'good', 200);
      call(2, i % 3 ? 'good' : 'bad', 10);
    }
    const [fast = 0, slow = 0, failing = 0] = counts(3000);
    expect(fast).toBeGreaterThan(failing);
    expect(failing).toBeGreaterThan(slow);
    expect(slow).toBeGreaterThan(200);
  });

  it('leaves out whoever fails in a row, each time for longer, and lets it back', () => {
    const { pool, clock, signals, call, counts } = bench([1, 1], {
      ejection: { baseMs: 1000, maxMs: 4000 },
      slowStartMs: 0,
    });
    const away: unknown[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < (round === 0 ? 3 : 1); i++) call(0, 'bad');
      away.push(signals.named('pool.member-ejected').at(-1)?.forMs);
      expect(counts(50)[0]).toBe(0);
      clock.time += away.at(-1) as number;
      expect(counts(50)[0]).toBeGreaterThan(0);
    }
    expect(away).toEqual([1000, 2000, 4000, 4000]);
    expect(signals.named('pool.member-back')).toHaveLength(4);
    call(0, 'good');
    clock.time += 10_000;
    for (let i = 0; i < 3; i++) call(0, 'bad');
    expect(signals.named('pool.member-ejected').at(-1)).toMatchObject({ forMs: 1000 });
    expect(pool.members[0]?.state).toBe('ejected');
  });

  it('leaves out whoever fails for the most part', () => {
    const { call, pool } = bench([1, 1]);
    for (let i = 0; i < 10; i++) call(0, i % 2 ? 'bad' : 'good');
    expect(pool.members[0]?.state).toBe('ejected');
  });

  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [5, 2],
    [10, 5],
  ])('of %i members that all fail, leaves out %i', (size, most) => {
    const { pool, call, counts } = bench(Array(size).fill(1));
    for (let i = 0; i < 20 * size; i++) call(i % size, 'bad');
    expect(pool.members.filter(({ state }) => state === 'ejected')).toHaveLength(most);
    expect(counts(1000).filter((count) => count > 0)).toHaveLength(size - most);
  });

  it('never leaves out everybody, whatever share is allowed', () => {
    const { pool, call } = bench([1, 1, 1], { ejection: { maxShare: 1 } });
    for (let i = 0; i < 60; i++) call(i % 3, 'bad');
    expect(pool.members.filter(({ state }) => state === 'ejected')).toHaveLength(2);
  });

  it('gives a member that is back its share bit by bit', () => {
    const { pool, clock, call, counts } = bench([1, 1], { slowStartMs: 10_000, ejection: { baseMs: 1000 } });
    for (let i = 0; i < 3; i++) call(0, 'bad');
    clock.time += 1000;
    const shares = [0, 5000, 5000].map((ms) => {
      clock.time += ms;
      return counts(2000)[0] as number;
    });
    expect(shares[0]).toBeGreaterThan(50);
    expect(shares[0]).toBeLessThan(300);
    expect(shares[1]).toBeGreaterThan(shares[0] as number);
    expect(shares[2]).toBeGreaterThan(850);
    expect(pool.members[0]?.state).toBe('serving');
  });

  it('tries another one after a failure, the same again where there is no other, and anybody where nobody serves', () => {
    const { pool } = bench([1, 1]);
    const [one, two] = pool.members as readonly PoolMember[] as [PoolMember, PoolMember];
    expect(pool.choose(new Set([one]))).toBe(two);
    expect(pool.hasOther(new Set([one]))).toBe(true);
    expect(pool.hasOther(new Set([one, two]))).toBe(false);
    pool.check(one, false);
    pool.check(two, false);
    expect(pool.members).toContain(pool.choose(NOBODY));
    expect(pool.choose(new Set([one]))).toBe(two);
  });

  it('keeps a key with one member, and moves only the keys of one that leaves', () => {
    const { pool } = bench([1, 1, 1, 1]);
    const keys = Array.from({ length: 400 }, (_, index) => `caller ${index}`);
    const before = keys.map((key) => pool.choose(NOBODY, key));
    for (const member of pool.members) expect(before.filter((each) => each === member).length).toBeGreaterThan(60);
    const gone = pool.members[2] as PoolMember;
    pool.check(gone, false);
    keys.forEach((key, index) => {
      const now = pool.choose(NOBODY, key);
      if (before[index] === gone) expect(now).not.toBe(gone);
      else expect(now).toBe(before[index]);
    });
  });

  it('holds a member for gone only where nothing could be sent to it, it is out, and another one serves', () => {
    const { pool, call } = bench([1, 1]);
    const one = pool.members[0] as PoolMember;
    for (let i = 0; i < 2; i++) call(0, 'bad', 1, true);
    expect(pool.isGone(one)).toBe(false);
    call(0, 'bad', 1, true);
    expect(pool.isGone(one)).toBe(true);
    const other = bench([1, 1]);
    for (let i = 0; i < 3; i++) other.call(0, 'bad', 1, false);
    expect(other.pool.isGone(other.pool.members[0] as PoolMember)).toBe(false);
  });

  it('counts a call once, however often it is ended', () => {
    const { pool } = bench([1]);
    const one = pool.members[0] as PoolMember;
    const turn = pool.begin(one);
    expect(one.inFlight).toBe(1);
    turn.end();
    turn.end();
    expect(one.inFlight).toBe(0);
  });
});
