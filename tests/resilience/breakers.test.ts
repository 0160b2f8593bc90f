import type { Principal } from '../../src/contracts.js';
import { Breakers } from '../../src/resilience/breakers.js';
import type { CircuitName } from '../../src/resilience/circuitBreaker.js';
import { FakeClock, FakeSignals, fakeCall } from '../helpers/fakes.js';

function bench(per: ('tool' | 'tenant')[] = []) {
  const signals = new FakeSignals();
  const told: [string, CircuitName][] = [];
  const listener = {
    opened: (name: CircuitName) => void told.push(['opened', name]),
    closed: (name: CircuitName) => void told.push(['closed', name]),
  };
  const options = { failures: 2, resetMs: 60_000, per };
  const breakers = new Breakers('ai', options, { clock: new FakeClock(), signals, listener });
  const of = (tool: string, tenant?: string) =>
    breakers.of({
      call: fakeCall('tools/call', tool),
      ...(tenant === undefined ? {} : { principal: { subject: 's', tenant } as Principal }),
    });
  return { breakers, of, signals, told };
}

describe('breakers of a destination', () => {
  it('are one, where no others are asked for', () => {
    const { breakers, of } = bench();
    expect(of('any')).toBe(breakers.whole);
    breakers.close();
  });

  it('keep tools and tenants apart, and blame the whole for what could not be sent', () => {
    const { breakers, of } = bench(['tool', 'tenant']);
    for (let i = 0; i < 2; i++) of('bad', 'red').count('bad');
    expect(of('bad', 'red').admits).toBe(false);
    expect([of('bad', 'blue'), of('good', 'red'), breakers.whole].map(({ admits }) => admits)).toEqual([
      true,
      true,
      true,
    ]);
    for (let i = 0; i < 2; i++) of('good', 'red').count('bad', true);
    expect(of('bad', 'blue').admits).toBe(false);
    breakers.close();
  });

  it('are bounded, whatever callers name: those that are open stay', () => {
    const { breakers, of } = bench(['tool']);
    for (let i = 0; i < 2; i++) of('bad').count('bad');
    for (let i = 0; i < 1000; i++) of(`tool ${i}`).count('bad');
    expect(breakers.all.length).toBeLessThanOrEqual(201);
    expect(of('bad').admits).toBe(false);
    breakers.close();
  });

  it('are held open by an operator until they are reset', () => {
    const { breakers, signals } = bench();
    breakers.whole.hold(undefined);
    expect([breakers.whole.state, breakers.whole.admits]).toEqual(['open', false]);
    expect(() => breakers.whole.assertAdmits()).toThrow('shut off by an operator');
    breakers.whole.reset();
    expect(breakers.whole.state).toBe('closed');
    expect(signals.emitted.map(({ name }) => name)).toEqual(['circuit.held', 'circuit.released']);
    breakers.close();
  });

  it('take a hint for a hint: one call at a time finds out', async () => {
    const { breakers, told } = bench();
    const { whole } = breakers;
    whole.suspect();
    let finish = (_: string) => {};
    const trial = whole.try(
      () => new Promise<string>((resolve) => (finish = resolve)),
      () => 'good',
    );
    expect(whole.admits).toBe(false);
    await expect(
      whole.try(
        async () => 'second',
        () => 'good',
      ),
    ).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    finish('well');
    expect(await trial).toBe('well');
    expect(whole.state).toBe('closed');
    expect(told).toEqual([]);
    whole.suspect();
    await whole.try(
      async () => 'ill',
      () => 'bad',
    );
    expect(whole.state).toBe('open');
    expect(told).toEqual([['opened', { destination: 'ai' }]]);
    breakers.close();
  });
});
