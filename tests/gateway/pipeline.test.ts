import type { Reply, Stage } from '../../src/contracts.js';
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

function run(door: Parameters<typeof compile>[0]): string[] {
  const passed: string[] = [];
  compile(door, recorders(passed), () => reply)(fakeExchange(fakeInbound('/mcp')));
  return passed;
}

describe('the exchange chain', () => {
  it('passes through its stages in the order of the table', () => {
    const all = ['observe', 'guard', 'limitAddress', 'identify', 'intercept', 'conceal', 'read', 'route'];
    expect(run('mcp')).toEqual([...all, 'authorize', 'limitCaller', 'select', 'recall']);
    expect(run('web')).toEqual([...all.filter((stage) => stage !== 'read'), 'authorize', 'limitCaller']);
  });

  it('is cut in two for a POST to a session of HTTP+SSE: who sends it, then what it says', () => {
    expect(run('sse')).toEqual(['observe', 'guard', 'limitAddress', 'identify', 'intercept', 'conceal']);
    expect(run('post')).toEqual(['guard', 'limitAddress', 'identify', 'join']);
    const message = ['observe', 'intercept', 'conceal', 'read', 'route', 'authorize', 'limitCaller', 'recall'];
    expect(run('message')).toEqual(message);
    expect(new Set([...run('post'), ...message])).toEqual(new Set([...run('mcp'), 'join']));
  });

  it('leaves out what the configuration does not ask for', () => {
    const { limitAddress, identify, conceal, authorize, limitCaller, recall, ...rest } = recorders([]);
    expect([limitAddress, identify, conceal, authorize, limitCaller, recall]).not.toContain(undefined);
    expect(() => compile('mcp', rest, () => reply)).not.toThrow();
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
