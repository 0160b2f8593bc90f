import { atTurnsEnd } from '../../src/core/turn.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('what is due at the end of a turn', () => {
  it('waits for nothing else, and goes before any promise that it keeps', async () => {
    const steps: string[] = [];
    const step = (name: string) => ({
      run: () => {
        steps.push(name);
        void Promise.resolve().then(() => steps.push(`after ${name}`));
      },
    });
    atTurnsEnd(step('one'));
    atTurnsEnd(step('two'));
    await Promise.resolve();
    expect(steps).toEqual([]);
    await turn();
    expect(steps).toEqual(['one', 'two', 'after one', 'after two']);
  });

  it('may ask for more, which is the next turn’s', async () => {
    const steps: string[] = [];
    const asks = { run: () => atTurnsEnd({ run: () => steps.push('asked for') }) };
    atTurnsEnd(asks);
    await turn();
    expect(steps).toEqual([]);
    await turn();
    expect(steps).toEqual(['asked for']);
  });
});
