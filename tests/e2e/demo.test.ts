import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { callTool } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type Pretty, startPretty } from '../helpers/prettyDrawbridge.js';

const run = promisify(execFile);

interface Entry {
  readonly mcpServers: Readonly<Record<string, { readonly type: string; readonly url: string }>>;
}

interface Shipped {
  readonly destinations: { readonly demo: object };
}

/** The configuration that is shipped, started as the README says, and what it prints to try. */
describe('the demo', () => {
  let drawbridge: Pretty;

  beforeAll(async () => {
    drawbridge = await startPretty(['-c', 'mcp-proxy-config.json', '--port', '0']);
  });
  afterAll(() => drawbridge?.stop());

  it('prints a first call that works as it stands', async () => {
    const line = /^curl .*$/m.exec(drawbridge.stderr())?.[0] ?? '';
    const { stdout } = await run('bash', ['-c', line]);
    const { result } = JSON.parse(stdout) as { result: { tools: { name: string }[] } };
    expect(result.tools.map(({ name }) => name)).toEqual(['echo', 'whoami', 'countdown']);
  });

  it('prints an entry for Cline that serves clients of both generations', async () => {
    const [text = ''] = /^\{$.*?^\}$/ms.exec(drawbridge.stderr()) ?? [];
    const { demo } = (JSON.parse(text) as Entry).mcpServers;
    expect(demo).toEqual({ type: 'streamableHttp', url: `${drawbridge.url}/mcp/demo` });
    const url = new URL(demo?.url ?? '');
    const modern = new ModernClient({ name: 'modern', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await modern.connect(new ModernTransport(url));
    expect(modern.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const legacy = new LegacyClient({ name: 'legacy', version: '1' });
    await legacy.connect(new LegacyTransport(url) as Transport);
    for (const client of [modern, legacy]) {
      const answer = await client.callTool({ name: 'echo', arguments: { text: 'Hello' } });
      expect(answer).toMatchObject({ content: [{ type: 'text', text: 'Hello' }] });
      await client.close();
    }
  });

  it('keeps stdout for the protocol', () => {
    expect(drawbridge.stdout()).toBe('');
  });
});

describe('the demo with tokens of two seconds', () => {
  let drawbridge: Drawbridge;

  beforeAll(async () => {
    const shipped = JSON.parse(await readFile('mcp-proxy-config.json', 'utf8')) as Shipped;
    const demo = { ...shipped.destinations.demo, tokenLifetimeSeconds: 2 };
    drawbridge = await startDrawbridge({ ...shipped, destinations: { demo } });
  });
  afterAll(() => drawbridge?.stop());

  async function tokenId(): Promise<string> {
    const { text } = await callTool(`${drawbridge.url}/mcp`, 'whoami');
    const { result } = JSON.parse(text) as { result: { content: [{ text: string }] } };
    return (JSON.parse(result.content[0].text) as { id: string }).id;
  }

  it('shows another token once the first was renewed, and the same one until then', async () => {
    const first = await tokenId();
    expect(await tokenId()).toBe(first);
    for (const end = Date.now() + 2000; Date.now() < end; await sleep(100)) await tokenId();
    await drawbridge.record(({ signal }) => signal === 'token.refreshed');
    expect(await tokenId()).not.toBe(first);
  });
});
