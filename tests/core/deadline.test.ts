import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../../src/core/deadline.js';

class Recorded extends Deadline {
  at: number | undefined;

  start(ms: number): void {
    this.expireIn(ms);
  }

  stop(): void {
    this.stopClock();
  }

  protected override expired(): void {
    this.at = performance.now();
  }
}

describe('a deadline', () => {
  it('expires once, not early, and a tick or two late at most', async () => {
    const startedAt = performance.now();
    const made = new Recorded();
    made.start(100);
    await sleep(400);
    expect(made.at).toBeGreaterThanOrEqual(startedAt + 95);
    expect(made.at).toBeLessThan(startedAt + 350);
    const first = made.at;
    await sleep(150);
    expect(made.at).toBe(first);
  });

  it('moves when it is started anew, and never comes once it is stopped', async () => {
    const [moved, stopped] = [new Recorded(), new Recorded()];
    moved.start(300);
    stopped.start(300);
    stopped.stop();
    for (let i = 0; i < 5; i += 1) {
      await sleep(70);
      moved.start(300);
    }
    expect(moved.at).toBeUndefined();
    await sleep(600);
    expect([moved.at !== undefined, stopped.at]).toEqual([true, undefined]);
  });

  it('holds for each of many that hang together, whichever are taken out', async () => {
    const all = Array.from({ length: 50 }, () => new Recorded());
    for (const made of all) made.start(80);
    const kept = all.filter((_, index) => index % 3 !== 0);
    for (const made of all) if (!kept.includes(made)) made.stop();
    await sleep(400);
    expect(all.map((made) => made.at !== undefined)).toEqual(all.map((made) => kept.includes(made)));
  });
});
