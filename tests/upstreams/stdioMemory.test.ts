import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { GatewayError } from '../../src/core/errors.js';
import { MemoryWatch } from '../../src/upstreams/stdioMemory.js';
import { type ProcessRow, processTable, treeOf } from '../../src/upstreams/stdioProcesses.js';
import { Starts } from '../../src/upstreams/stdioStarts.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

const MIB = 1024 * 1024;
const row = (pid: number, parent: number, group: number, mib = 1): ProcessRow => ({
  pid,
  parent,
  group,
  bytes: mib * MIB,
});

describe('the tree of a process', () => {
  it('has its descendants, those that left its group, and those in its group whose parent is gone', () => {
    const rows = [row(9, 8, 9), row(8, 7, 5), row(7, 1, 5), row(5, 1, 5), row(6, 5, 6), row(4, 1, 4), row(1, 0, 1)];
    expect(treeOf(5, rows).map(({ pid }) => pid)).toEqual(expect.arrayContaining([5, 6, 7, 8, 9]));
    expect(treeOf(5, rows)).toHaveLength(5);
    expect(treeOf(77, rows)).toEqual([]);
  });
});

it.each(['linux', 'darwin'] as const)('reads this process and its children the way of %s', async (platform) => {
  const child = spawn(process.execPath, ['-e', 'process.stdout.write("up"); setInterval(() => {}, 1000)'], {
    detached: true,
  });
  try {
    await once(child.stdout, 'data');
    const rows = await processTable(platform).read();
    const own = rows.find(({ pid }) => pid === process.pid);
    expect(own?.bytes).toBeGreaterThan(process.memoryUsage.rss() / 2);
    expect(rows.find(({ pid }) => pid === child.pid)).toMatchObject({ parent: process.pid, group: child.pid });
  } finally {
    child.kill();
  }
});

describe('a watch', () => {
  /** Looks once for each reading that is given; the one behind them never ends. */
  async function watch(...readings: (readonly ProcessRow[] | Error)[]) {
    const signals = new FakeSignals();
    const told: unknown[] = [];
    let done = () => {};
    const over = new Promise<void>((resolve) => {
      done = resolve;
    });
    const read = async () => {
      const next = readings.shift();
      if (next instanceof Error) throw next;
      if (next) return next;
      done();
      return new Promise<never>(() => {});
    };
    const options = { name: 'files', mostMiB: 100, clock: new FakeClock(), signals };
    const memory = new MemoryWatch({ ...options, table: { everyMs: 1, read } });
    const child = { pid: 5, tooLarge: (...said: unknown[]) => told.push(said) };
    memory.add(child);
    await over;
    memory.remove(child);
    return { told, signals };
  }

  it('tells a child whose tree has more than it may, and says which processes that are', async () => {
    const { told } = await watch([row(5, 1, 5, 60), row(6, 5, 6, 40)], [row(5, 1, 5, 60), row(6, 5, 6, 41)]);
    expect(told).toEqual([[101, [5, 6]]]);
  });

  it('says once that nothing can be read', async () => {
    const { told, signals } = await watch(new Error('no /proc'), new Error('no /proc'));
    expect(told).toEqual([]);
    expect(signals.named('child.unmeasured')).toEqual([{ destination: 'files', code: undefined }]);
  });
});

describe('starts', () => {
  const of = (shared: boolean) => new Starts('files', new FakeClock(), { baseMs: 500, maxMs: 30_000 }, shared);

  it('of one caller whose children keep ending do not stop those of another', () => {
    const starts = of(false);
    expect([1, 2, 3, 4].map(() => starts.ended('eve', 0 + Date.parse('2026-11-21T00:00:00Z')))).toEqual([
      0, 0, 500, 1000,
    ]);
    expect(() => starts.assertMayStart('bob')).not.toThrow();
    let refusal: unknown;
    try {
      starts.assertMayStart('eve');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(GatewayError);
    expect(refusal).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', ofCaller: true, retryAfter: 1 });
  });

  it('say whose fault an end is', () => {
    const starts = of(false);
    expect([starts.isOfCaller('eve', false), starts.isOfCaller('eve', true)]).toEqual([false, true]);
    for (let n = 0; n < 3; n++) starts.ended('eve', Date.parse('2026-11-21T00:00:00Z'));
    expect([starts.isOfCaller('eve', false), starts.isOfCaller('bob', false)]).toEqual([true, false]);
    expect(of(true).isOfCaller('everybody', true)).toBe(false);
  });
});
