import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/core/async.js';
import { Circuit, type Health } from '../../src/resilience/circuitBreaker.js';
import { FakeSignals } from '../helpers/fakes.js';

const RESET_MS = 60;

function circuit(failures = 3) {
  const signals = new FakeSignals();
  const made = new Circuit('ai', { failures, resetMs: RESET_MS }, systemClock, signals);
  const call = async (health: Health) => {
    if (!made.closed) {
      return made.try(
        async () => health,
        (result) => result,
      );
    }
    made.count(health);
    return health;
  };
  return { made, call, names: () => signals.emitted.map(({ name }) => name) };
}

describe('a circuit', () => {
  it('opens after failures in a row, tries one call, and closes when that is well', async () => {
    const { made, call, names } = circuit();
    for (let i = 0; i < 3; i++) expect(await call('bad')).toBe('bad');
    expect(made.state).toBe('open');
    await expect(call('good')).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    await sleep(RESET_MS + 20);
    expect(made.state).toBe('half-open');
    expect(await call('good')).toBe('good');
    expect(made.state).toBe('closed');
    expect(names()).toEqual(['circuit.opened', 'circuit.half-open', 'circuit.closed']);
    made.close();
  });

  it('counts a call that fails behind its head as one that failed: in a row with those like it, and no further', async () => {
    const late = async ({ made, call }: ReturnType<typeof circuit>) => {
      await call('good');
      made.countLate();
    };
    const one = circuit();
    for (let i = 0; i < 2; i++) await late(one);
    expect(one.made.state).toBe('closed');
    await late(one);
    expect(one.made.state).toBe('open');
    one.made.close();
    const mixed = circuit();
    for (let i = 0; i < 4; i++) {
      await late(mixed);
      await mixed.call('good');
      await mixed.call('good');
    }
    expect(mixed.made.state).toBe('closed');
    mixed.made.close();
  });

  it('lets one call at a time try it, and opens again when that fails', async () => {
    const { made, call } = circuit();
    for (let i = 0; i < 3; i++) await call('bad');
    await sleep(RESET_MS + 20);
    let finish: (health: Health) => void = () => {};
    const probe = made.try(
      () =>
        new Promise<Health>((resolve) => {
          finish = resolve;
        }),
      (result) => result,
    );
    await expect(call('good')).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    finish('bad');
    await probe;
    expect(made.state).toBe('open');
    made.close();
  });

  it('forgets failures once a call goes well', async () => {
    const { made, call } = circuit();
    for (let i = 0; i < 10; i++) await call('good');
    for (let i = 0; i < 5; i++) {
      await call('bad');
      await call('bad');
      await call('good');
    }
    expect(made.state).toBe('closed');
    made.close();
  });

  it('learns nothing from callers that leave', async () => {
    const { made, call } = circuit(1);
    await call('neither');
    expect(made.state).toBe('closed');
    made.close();
  });
});
