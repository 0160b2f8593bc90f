import { MemoryPressure, memoryUse } from '../../src/resilience/memoryPressure.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

const names = (signals: FakeSignals) => signals.emitted.map(({ name }) => name);

function pressure() {
  const signals = new FakeSignals();
  let collected = 0;
  const clock = Object.assign(new FakeClock(), { random: () => chance });
  const memory = new MemoryPressure({ clock, signals }, () => {
    collected += 1;
  });
  let chance = 0.5;
  return {
    signals,
    collected: () => collected,
    /** Tells it the used percentages, one tick after the other. */
    see: (...percents: number[]) => {
      for (const used of percents) memory.observe({ used, limit: 100 });
    },
    refusesAt: (drawn: number) => {
      chance = drawn;
      return memory.refuses();
    },
  };
}

describe('memory that runs short', () => {
  it('refuses nobody while there is enough, and nobody for one look at a heap that is about to be collected', () => {
    const { see, refusesAt, signals } = pressure();
    see(10, 79, 79, 99, 79, 99);
    expect(refusesAt(0)).toBe(false);
    expect(names(signals)).toEqual([]);
  });

  it('refuses the more the shorter it runs, and all where it is nearly gone', () => {
    const { see, refusesAt } = pressure();
    see(83, 83);
    expect([refusesAt(0.4), refusesAt(0.6)]).toEqual([true, false]);
    see(86, 86);
    expect(refusesAt(0.9999)).toBe(true);
  });

  it('has V8 collect now and then while all is refused, since nothing else would', () => {
    const { see, collected } = pressure();
    see(...Array.from({ length: 40 }, () => 95));
    see(85);
    see(...Array.from({ length: 50 }, () => 95));
    expect(collected()).toBe(0);
    see(95);
    expect(collected()).toBe(1);
  });

  it('really collects', () => {
    const { signals } = pressure();
    const memory = new MemoryPressure({ clock: new FakeClock(), signals });
    let held: object | undefined = {};
    const seen = new WeakRef(held);
    held = undefined;
    return new Promise((resolve) => setTimeout(resolve, 1)).then(() => {
      for (let i = 0; i < 60; i++) memory.observe({ used: 95, limit: 100 });
      expect(seen.deref()).toBe(held);
    });
  });

  it('says once when it begins and once when it is over', () => {
    const { see, refusesAt, signals } = pressure();
    see(90, 90, 90, 78, 90, 90, 78);
    expect(names(signals)).toEqual(['memory.short']);
    see(74);
    expect(refusesAt(0)).toBe(false);
    expect(names(signals)).toEqual(['memory.short', 'memory.enough']);
    expect(signals.named('memory.short')).toEqual([{ usedBytes: 90, limitBytes: 100 }]);
  });

  it('is read from V8 and the container', () => {
    const { used, limit } = memoryUse();
    expect(used).toBeGreaterThan(1_000_000);
    expect(limit).toBeGreaterThan(used);
  });
});
