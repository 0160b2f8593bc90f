import { readFileSync } from 'node:fs';
import type { Asked } from '../../../src/testing.js';
import { startMockQlik } from '../../../src/testing.js';
import { restOf } from '../../helpers/mockRest.js';

const page = readFileSync('docs/qlik-mock.md', 'utf8');

/** The example as a function of what it imports and prints by. */
function example(): (start: typeof startMockQlik, console: { log(...words: unknown[]): void }) => Promise<void> {
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  return new AsyncFunction('startMockQlik', 'console', code.replace(/^import .*$/m, ''));
}

/** The first column of the table that stands below a heading. */
function rowsBelow(heading: string): string[] {
  const [, text = ''] = page.split(`## ${heading}\n`);
  const rows = text.split('\n## ')[0]?.match(/^\| `.*$/gm) ?? [];
  return rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)/g)].map(([, name]) => name as string));
}

describe('docs/qlik-mock.md', () => {
  it('has an example that prints what it says', async () => {
    const printed: unknown[][] = [];
    await example()(startMockQlik, { log: (...words) => printed.push(words) });
    expect(printed).toEqual([[['Sales']], [429, '13'], [2]]);
  });

  it('names the faults that there are', async () => {
    const mock = await startMockQlik();
    await mock.close();
    const own = Object.getOwnPropertyNames(Object.getPrototypeOf(mock.faults));
    expect(own).toEqual(expect.arrayContaining(rowsBelow('Faults')));
    expect(rowsBelow('Faults')).toHaveLength(12);
  });

  it('names the options that there are', () => {
    const types = readFileSync('src/connectors/qlik/mock/types.ts', 'utf8');
    const [, text = ''] = types.split('export interface MockQlikOptions {');
    const options = [...(text.split('\n}')[0] ?? '').matchAll(/^ {2}readonly (\w+)\?/gm)].map(([, name]) => name);
    expect(rowsBelow('Options').sort()).toEqual(options.sort());
  });
});

describe('the MCP path of the mock', () => {
  it('takes tokens of scope mcp:execute, and neither keys nor other tokens', async () => {
    const mock = await startMockQlik({
      apiKeys: { key: 'user-ben' },
      mcp: (_, response, subject) => void response.end(subject),
    });
    try {
      const ask = (bearer: string) =>
        fetch(`${mock.origin}/api/ai/mcp`, { method: 'POST', headers: { authorization: `Bearer ${bearer}` } });
      expect(await (await ask(await mock.mint('user-ben', 'user_default mcp:execute'))).text()).toBe('auth0|ben');
      expect((await ask(await mock.mint('user-ben'))).status).toBe(403);
      const refused = await ask('key');
      expect(refused.status).toBe(401);
      const [, metadata = ''] = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? [];
      expect(await (await fetch(metadata)).json()).toMatchObject({
        resource: `${mock.origin}/api/ai/mcp`,
        authorization_servers: [mock.origin],
      });
      const like: Partial<Asked> = { kind: 'mcp', path: '/api/ai/mcp', who: 'auth0|ben' };
      expect(mock.count(like)).toBe(2);
    } finally {
      await mock.close();
    }
  });

  it('is not there unless a test brings it', async () => {
    const mock = await startMockQlik();
    try {
      expect((await (await restOf(mock, 'user-ben', 'mcp:execute')).send('POST', '/api/ai/mcp', {})).status).toBe(404);
    } finally {
      await mock.close();
    }
  });
});
