import type { Exchange, Reply, Stage } from '../../src/contracts.js';
import { compile, STAGES } from '../../src/gateway/pipeline.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const reply: Reply = { status: 200, headers: [], body: null, origin: 'gateway' };

/** Stages that write their names into a list as they are passed. */
function recorders(passed: string[]): Record<string, Stage> {
  const names = STAGES.filter((row) => !('later' in row)).map((row) => row.stage);
  return Object.fromEntries(
    names.map((name): [string, Stage] => [
      name,
      (exchange, next) => {
        passed.push(name);
        return next(exchange);
      },
    ]),
  );
}

function run(door: Exchange['door']): string[] {
  const passed: string[] = [];
  compile(door, recorders(passed), () => reply)(fakeExchange(fakeInbound('/mcp')));
  return passed;
}

describe('the exchange chain', () => {
  it('passes through its stages in the order of the table', () => {
    expect(run('mcp')).toEqual(['observe', 'guard', 'intercept', 'read', 'route']);
    expect(run('web')).toEqual(['observe', 'guard', 'intercept', 'route']);
  });

  it('never skips a stage in silence', () => {
    const { guard, ...rest } = recorders([]);
    expect(guard).toBeDefined();
    expect(() => compile('mcp', rest, () => reply)).toThrow('the guard stage is missing');
  });

  it('makes no promise where nothing is waited for', () => {
    const handler = compile('web', recorders([]), () => reply);
    expect(handler(fakeExchange(fakeInbound('/')))).toBe(reply);
  });
});
