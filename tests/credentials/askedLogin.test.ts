import type { Callback } from '../../src/contracts.js';
import { AskedLogin } from '../../src/credentials/askedLogin.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { SteppedClock } from './steppedClock.js';

const ADDRESS = new URL('https://as.example.com/authorize');

describe('a login that somebody is asked for', () => {
  function bench() {
    const [clock, vault] = [new SteppedClock(), new MemoryVault()];
    const make = (subject = 'ada', other = clock) =>
      new AskedLogin({ vault, clock: other }, { subject }, 'mcp-oauth', 'notes', 'https://notes.example.com/mcp');
    return { clock, vault, make };
  }

  const inVain = (asked: AskedLogin) => asked.during({ address: ADDRESS, done: Promise.reject(new Error('no')) });

  it('is told to others while it lasts, and to no other caller', async () => {
    const { make, vault, clock } = bench();
    let back: (said: Callback) => void = () => {};
    const done = new Promise<Callback>((resolve) => {
      back = resolve;
    });
    const over = make().during({ address: ADDRESS, done, paste: new URL('https://us/login/x') });
    await clock.advance(0);
    expect(await make().where()).toEqual({ address: ADDRESS.href, paste: 'https://us/login/x' });
    expect(await make('grace').where()).toBeUndefined();
    await clock.advance(60_000);
    expect(await make().where()).toMatchObject({ address: ADDRESS.href });
    back({ code: 'c' });
    await over;
    expect([await make().where(), await vault.list()]).toEqual([undefined, []]);
  });

  it('opens no browser for ever longer after each that was in vain, and does again after one that was not', async () => {
    const { make, clock } = bench();
    expect(await make().isQuiet()).toBe(false);
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      await inVain(make());
      await clock.advance(minutes * 60_000 - 1);
      expect([minutes, await make().isQuiet()]).toEqual([minutes, true]);
      await clock.advance(1);
      expect([minutes, await make().isQuiet()]).toEqual([minutes, false]);
    }
    await inVain(make());
    await make().during({ address: ADDRESS, done: Promise.resolve({ code: 'c' }) });
    expect(await make().isQuiet()).toBe(false);
  });

  it('that was left behind by a process that died is told to nobody for long', async () => {
    const { make, clock } = bench();
    const dead = new SteppedClock();
    void make('ada', dead).during({ address: ADDRESS, done: new Promise(() => {}) });
    await dead.advance(0);
    expect(await make().where()).toBeDefined();
    await clock.advance(15_000);
    expect(await make().where()).toBeUndefined();
    expect(await make().isQuiet()).toBe(false);
  });
});
