import fs from 'node:fs';
import * as z from 'zod';
import type { Tool } from '../../../src/contracts/tools.js';
import { load } from '../../config/loadConfig.js';
import { countTokens } from '../../helpers/tokens.js';
import { toolsetWorld } from '../../upstreams/toolsetWorld.js';
import { ToolsWorld } from './toolsWorld.js';

describe('the Qlik toolset', () => {
  const world = new ToolsWorld();
  afterAll(() => world.close());

  const toolsOf = async (options: object) => (await world.open(options, () => undefined)).toolset.tools;
  const REST = new Set(['catalog', 'operations']);

  async function tokensOf(tools: readonly Tool[]): Promise<number> {
    return countTokens((await (await toolsetWorld(tools)).ask('tools/list')).result);
  }

  it('costs a model less than 6,000 tokens (o200k), with all that it can do', async () => {
    const tools = await toolsOf({ access: 'write' });
    expect(tools.length).toBeGreaterThan(40);
    expect(await tokensOf(tools)).toBeLessThan(6_000);
    expect(await tokensOf(tools.filter(({ category }) => REST.has(category)))).toBeLessThan(3_000);
  });

  it('names every tool once, as Qlik’s own server does, and every argument in camelCase', async () => {
    const tools = await toolsOf({ access: 'write' });
    const names = tools.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    expect(names.filter((name) => !/^qlik_[a-z_]+$/.test(name))).toEqual([]);
    const keys = tools.flatMap(({ input }) => Object.keys(input.shape));
    expect(keys.filter((key) => !/^[a-z][A-Za-z]*$/.test(key))).toEqual([]);
  });

  it('takes no argument that it doesn’t know', async () => {
    for (const { name, input } of await toolsOf({ access: 'write' })) {
      if (!name.startsWith('qlik_get_reload') && name !== 'qlik_search') continue;
      expect(input.safeParse({ ...sample(input), spaceID: 'x' }).success).toBe(false);
    }
  });

  it('is docs/qlik.md, tool by tool', async () => {
    const page = fs.readFileSync('docs/qlik.md', 'utf8');
    const rows = page.split('\n').filter((line) => /^\| `qlik_\w+` \| [a-z_]+ \|/.test(line));
    expect(rows).toEqual((await toolsOf({ access: 'write' })).map(rowOf));
  });

  it('is configured as docs/qlik.md shows', async () => {
    const page = fs.readFileSync('docs/qlik.md', 'utf8');
    const [, example = ''] = /<!-- recipe: job -->\n```json\n([\s\S]*?)^```/m.exec(page) ?? [];
    const settings = await load({ files: { 'mcp-proxy-config.json': example }, env: { QLIK_SECRET: 'x' } });
    expect(settings.destinations.get('qlik')?.kind).toBe('toolset');
  });
});

/** Something for each argument that has to be there. */
function sample(input: z.ZodObject): Record<string, string> {
  const needed = Object.entries(input.shape).filter(
    ([, schema]) => !z.safeParse(schema as z.ZodType, undefined).success,
  );
  return Object.fromEntries(needed.map(([key]) => [key, 'x']));
}

function rowOf({ name, category, effect, input }: Tool): string {
  const args = Object.entries(input.shape).map(([key, schema]) => {
    const optional = z.safeParse(schema as z.ZodType, undefined).success;
    return optional ? `\`${key}\`?` : `\`${key}\``;
  });
  return `| \`${name}\` | ${category} | ${effect} | ${args.join(', ')} |`.replace('  ', ' ');
}
