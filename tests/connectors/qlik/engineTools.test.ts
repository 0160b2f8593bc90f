import * as z from 'zod';
import type { Engine } from '../../../src/connectors/qlik/engine.js';
import { engineTools } from '../../../src/connectors/qlik/engineTools.js';
import type { Tool } from '../../../src/contracts/tools.js';
import { countTokens } from '../../helpers/tokens.js';

/** Of the 6,000 that the whole toolset may cost. */
const MOST_TOKENS = 2_800;

const none = {} as Engine;

/** As `tools/list` shows it. */
function shown({ name, description, input, effect, idempotent }: Tool) {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' });
  const annotations = {
    readOnlyHint: effect === 'read',
    destructiveHint: effect === 'destroy',
    idempotentHint: effect === 'read' || idempotent === true,
  };
  return { name, description, inputSchema, annotations };
}

describe('tools of the engine', () => {
  const reading = engineTools(none, { access: 'read' });
  const writing = engineTools(none, { access: 'write' });

  it(`cost at most ${MOST_TOKENS} tokens of tools/list`, () => {
    const tokens = countTokens({ tools: writing.map(shown) });
    console.log(tokens, writing.length);
    expect(tokens).toBeLessThanOrEqual(MOST_TOKENS);
  });

  it('change apps only where that is allowed', () => {
    expect(writing.filter(({ name }) => !reading.some((tool) => tool.name === name)).map(({ name }) => name)).toEqual([
      'qlik_update_script',
    ]);
  });

  it('say of everything that changes a session that it is no read: it must neither be cached nor repeated', () => {
    expect(reading.filter(({ effect }) => effect !== 'read').map(({ name }) => name)).toEqual([
      'qlik_open_app',
      'qlik_close_app',
      'qlik_select_values',
      'qlik_clear_selections',
      'qlik_apply_bookmark',
    ]);
  });

  it('have names of their own, and categories of the plan', () => {
    expect(new Set(writing.map(({ name }) => name)).size).toBe(writing.length);
    expect(new Set(writing.map(({ category }) => category))).toEqual(
      new Set(['data_model', 'analytics', 'visualization', 'governance']),
    );
  });
});
