import type { Engine } from '../../../src/connectors/qlik/engine.js';
import { engineTools } from '../../../src/connectors/qlik/engineTools.js';
import { listedTool } from '../../../src/upstreams/toolsetSchema.js';
import { sources } from '../../helpers/sources.js';
import { countTokens } from '../../helpers/tokens.js';

/** Of the 6,000 that the whole toolset may cost. */
const MOST_TOKENS = 3_000;

const none = {} as Engine;

describe('tools of the engine', () => {
  const reading = engineTools(none, { access: 'read' });
  const writing = engineTools(none, { access: 'write' });

  it(`cost at most ${MOST_TOKENS} tokens of tools/list, as o200k counts them`, () => {
    const tokens = countTokens({ tools: writing.map(listedTool) });
    expect(tokens).toBeLessThanOrEqual(MOST_TOKENS);
    expect(tokens).toBeGreaterThan(MOST_TOKENS / 2);
  });

  it('change apps only where that is allowed', () => {
    expect(writing.filter(({ name }) => !reading.some((tool) => tool.name === name)).map(({ name }) => name)).toEqual([
      'qlik_update_script',
    ]);
  });

  it('say of everything that changes a session that it is no read: an answer that was kept would be wrong', () => {
    expect(reading.filter(({ effect }) => effect !== 'read').map(({ name }) => name)).toEqual([
      'qlik_open_app',
      'qlik_close_app',
      'qlik_select_values',
      'qlik_clear_selections',
      'qlik_apply_bookmark',
    ]);
  });

  it('let nobody repeat by himself what changes an app, or opens one more session', () => {
    const once = writing.filter(({ effect, idempotent }) => effect !== 'read' && idempotent !== true);
    expect(once.map(({ name }) => name)).toEqual(['qlik_open_app', 'qlik_update_script']);
  });

  it('have names of their own, and categories of the plan', () => {
    expect(new Set(writing.map(({ name }) => name)).size).toBe(writing.length);
    expect(new Set(writing.map(({ category }) => category))).toEqual(
      new Set(['data_model', 'analytics', 'visualization', 'governance']),
    );
  });

  it('take no argument that they would ignore', () => {
    for (const { input, name } of writing) {
      expect([name, input.safeParse({ appId: 'a', filter: 'x' }).success]).toEqual([name, false]);
    }
  });

  it('load enigma, its schema and ws with the first socket only', () => {
    const files = sources('src/connectors/qlik').filter(({ path }) => !path.includes('/mock/'));
    const heavy = /^(?:import|export) (?!type )[^;]* from '(?:enigma\.js[^']*|ws)'/m;
    expect(files.filter(({ text }) => heavy.test(text)).map(({ path }) => path)).toEqual([
      'src/connectors/qlik/engineEnigma.ts',
    ]);
    const users = files.filter(({ text }) => text.includes("'./engineEnigma.js'"));
    expect(users.map(({ text }) => text.match(/.*'\.\/engineEnigma\.js'.*/g))).toEqual([
      [expect.stringContaining('await import(')],
    ]);
  });
});
