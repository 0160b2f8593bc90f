import { jest } from '@jest/globals';
import { LogRules } from '../../src/telemetry/logRules.js';

describe('log rules', () => {
  afterEach(() => void jest.useRealTimers());

  it('know destinations apart, and whether anybody wants a level at all', () => {
    const rules = new LogRules({ level: 'info', destinations: { chatty: 'error', sick: 'debug' } });
    expect([rules.admits('info', 'chatty'), rules.admits('error', 'chatty')]).toEqual([false, true]);
    expect([rules.admits('debug', 'sick'), rules.admits('debug', 'other'), rules.admits('debug', '')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(rules.admits('debug')).toBe(true);
    rules.configure({ level: 'warn', destinations: {} });
    expect([rules.admits('info'), rules.admits('info', 'sick')]).toEqual([false, false]);
  });

  it('hold a wish over a new configuration, until its time is over', () => {
    jest.useFakeTimers();
    const rules = new LogRules({ level: 'info', destinations: {} });
    rules.set({ level: 'debug', destinations: {}, until: Date.now() + 1000 });
    rules.configure({ level: 'error', destinations: {} });
    expect(rules.admits('debug', 'x')).toBe(true);
    jest.advanceTimersByTime(1001);
    expect([rules.admits('warn', 'x'), rules.read().now]).toEqual([false, { level: 'error', destinations: {} }]);
  });
});
