import demo from '../../../src/connectors/demo/toolset.js';
import type { Tool, ToolContext, ToolsetDeps } from '../../../src/contracts/tools.js';
import { ToolError } from '../../../src/core/toolErrors.js';
import { FakeClock } from '../../helpers/fakes.js';

type Owner = ToolContext['owner'];

async function toolset() {
  const clock = new FakeClock();
  const { tools } = await demo.create(
    demo.options.parse({}) as { stepMs: number },
    { clock } as unknown as ToolsetDeps,
  );
  const find = (name: string) => tools.find((tool) => tool.name === name) as Tool;
  const steps: unknown[] = [];
  const run = (name: string, args: object, owner: Owner = null, signal = new AbortController().signal) => {
    const progress = (...step: unknown[]) => void steps.push(step);
    return find(name).run(find(name).input.parse(args) as never, { owner, signal, progress, credential: undefined });
  };
  return { clock, run, steps };
}

describe('the toolset demo', () => {
  it('tells the time in a time zone, and knows no other', async () => {
    const { run } = await toolset();
    expect(await run('get_time', { timeZone: 'Asia/Tokyo' })).toEqual({
      time: '2026-11-21 09:00:00',
      timeZone: 'Asia/Tokyo',
    });
    await expect(run('get_time', { timeZone: '../etc' })).rejects.toBeInstanceOf(ToolError);
  });

  it('counts with steps in between, until nobody waits', async () => {
    const { run, steps, clock } = await toolset();
    expect(await run('count_to', { to: 3 })).toEqual({ count: 3 });
    expect([steps, clock.slept]).toEqual([
      [
        [1, 3],
        [2, 3],
        [3, 3],
      ],
      [200, 200, 200],
    ]);
    await expect(run('count_to', { to: 3 }, null, AbortSignal.abort())).rejects.toThrow();
  });

  it('lets nobody see or move the counter of another caller, nor of the same name in another tenant', async () => {
    const { run } = await toolset();
    const owners = Array.from({ length: 50 }, (_, i) => ({
      subject: `keys:${i % 25}`,
      ...(i < 25 ? {} : { tenant: 'b' }),
    }));
    const turns = owners.flatMap((owner, i) => Array.from({ length: i + 1 }, () => owner));
    // Anything but in order.
    turns.sort((a, b) => `${a.subject}${a.tenant}`.length - `${b.subject}${b.tenant}`.length || Math.random() - 0.5);
    await Promise.all(turns.map((owner) => run('add', {}, owner)));
    const counts = await Promise.all(owners.map((owner) => run('get_count', {}, owner)));
    expect(counts).toEqual(owners.map((_, i) => ({ count: i + 1 })));
    expect(await run('forget_count', {}, owners[3])).toEqual({ forgotten: true });
    expect([await run('get_count', {}, owners[3]), await run('get_count', {}, owners[28])]).toEqual([
      { count: 0 },
      { count: 29 },
    ]);
    expect(await run('forget_count', {}, owners[3])).toEqual({ forgotten: false });
  });

  it('keeps a thousand counters, however many callers come', async () => {
    const { run } = await toolset();
    for (let i = 0; i < 1_001; i++) await run('add', {}, { subject: `keys:${i}` });
    const countOf = (i: number) => run('get_count', {}, { subject: `keys:${i}` });
    expect([await countOf(0), await countOf(1), await countOf(1_000)]).toEqual([
      { count: 0 },
      { count: 1 },
      { count: 1 },
    ]);
  });
});
