import type { HeldSecret, SecretManager } from '../../src/contracts.js';
import { type ManagerWish, SecretKeeper } from '../../src/secrets/keeper.js';
import { SecretError } from '../../src/secrets/secretError.js';
import { SteppedClock, settle } from '../credentials/steppedClock.js';
import { FakeSignals } from '../helpers/fakes.js';

/** A manager whose secrets and failures the test writes. */
class ScriptedManager implements SecretManager {
  refreshMs = 60_000;
  leaseMs: number | undefined;
  values: Record<string, string> = {};
  error: Error | undefined;
  readonly asked: string[] = [];
  running = 0;
  mostRunning = 0;

  async read(path: string): Promise<HeldSecret> {
    this.asked.push(path);
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await Promise.resolve();
    this.running -= 1;
    if (this.error) throw this.error;
    return { value: this.values[path] ?? path, ...(this.leaseMs === undefined ? {} : { leaseMs: this.leaseMs }) };
  }
}

describe('the keeper of secrets', () => {
  let clock: SteppedClock;
  let keeper: SecretKeeper;
  let signals: FakeSignals;
  let manager: ScriptedManager;
  let created: number;
  let changes: number;

  beforeEach(() => {
    clock = new SteppedClock();
    clock.chance = 0.999_999;
    keeper = new SecretKeeper(clock);
    signals = new FakeSignals();
    manager = new ScriptedManager();
    created = 0;
    changes = 0;
    keeper.watch({ signals, changed: () => changes++ });
  });
  afterEach(() => keeper.close());

  const wish = (digest = 'vault'): ManagerWish => ({
    name: 'vault',
    digest,
    create: () => {
      created += 1;
      return manager;
    },
  });
  const text = ({ value }: HeldSecret) => String(value);

  /** What a configuration that names these would get. */
  async function load(...paths: string[]): Promise<string[]> {
    const round = keeper.begin();
    const values = await Promise.all(paths.map((path) => round.read(wish(), path, text)));
    round.settle();
    await settle();
    return values;
  }

  it('asks once for what several values and loads name', async () => {
    expect(await load('a', 'a', 'b')).toEqual(['a', 'a', 'b']);
    expect(await load('a', 'b')).toEqual(['a', 'b']);
    expect([manager.asked, created]).toEqual([['a', 'b'], 1]);
  });

  it('asks again on the interval, and tells a change once', async () => {
    await load('a');
    await clock.advance(59_000);
    expect(manager.asked).toEqual(['a']);
    await clock.advance(1_000);
    expect([manager.asked.length, changes]).toEqual([2, 0]);
    manager.values.a = 'new';
    await clock.advance(60_000);
    expect([manager.asked.length, changes]).toEqual([3, 1]);
    expect(signals.named('secrets.changed')).toEqual([{ manager: 'vault', path: 'a' }]);
    expect(await load('a')).toEqual(['new']);
    expect(manager.asked.length).toBe(3);
  });

  it('asks again before a lease ends', async () => {
    manager.leaseMs = 10_000;
    await load('a');
    await clock.advance(10_000);
    expect(manager.asked.length).toBe(2);
  });

  it('asks for nothing that the last configuration names no more', async () => {
    await load('a', 'b');
    await load('b');
    await clock.advance(60_000);
    expect(manager.asked).toEqual(['a', 'b', 'b']);
  });

  it('keeps what the running configuration names while another one is refused', async () => {
    await load('a');
    await keeper.begin().read(wish(), 'b', text);
    await clock.advance(60_000);
    expect(manager.asked.filter((path) => path === 'a')).toHaveLength(2);
  });

  it('keeps the last value of a manager that is down, tells it once, and when it is back', async () => {
    await load('a', 'b');
    manager.error = new SecretError('Vault is down', 'Start it.', false);
    await clock.advance(60_000);
    await clock.advance(5_000);
    expect(manager.asked.length).toBe(6);
    const lost = { manager: 'vault', path: 'a', reason: 'Vault is down', hint: 'Start it.' };
    expect(signals.named('secrets.lost')).toEqual([lost]);
    expect(await load('a')).toEqual(['a']);
    expect(changes).toBe(0);
    manager.error = undefined;
    manager.values.a = 'new';
    await clock.advance(10_000);
    expect(signals.named('secrets.back')).toEqual([{ manager: 'vault' }]);
    expect(changes).toBe(1);
    expect(signals.named('secrets.lost')).toHaveLength(1);
  });

  it('repeats a question whose failure may pass, and no other', async () => {
    manager.error = new SecretError('busy', 'Wait.', true);
    const reading = load('a');
    await settle();
    await clock.advance(250);
    manager.error = undefined;
    await clock.advance(1_000);
    expect(await reading).toEqual(['a']);
    expect(manager.asked.length).toBe(3);
    manager.error = new SecretError('no', 'Mend it.');
    await expect(load('c')).rejects.toThrow('no');
    expect(manager.asked.length).toBe(4);
  });

  it('asks a few questions at a time', async () => {
    await load(...Array.from({ length: 100 }, (_, index) => `s${index}`));
    expect(manager.mostRunning).toBe(8);
  });

  it('has a limit', async () => {
    const paths = Array.from({ length: 1_001 }, (_, index) => `s${index}`);
    await expect(load(...paths)).rejects.toThrow('more than 1000 secrets are named');
  });

  it('asks nobody any more once it is closed', async () => {
    await load('a');
    keeper.close();
    await clock.advance(120_000);
    expect(manager.asked).toEqual(['a']);
  });
});
