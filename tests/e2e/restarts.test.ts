import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { startLegacyServer, startModernServer } from '../helpers/mcpServers.js';
import { freePort } from '../helpers/stdioProgram.js';

/** A server that is started anew, and knows none of its sessions, under many clients. */
const SESSIONS = 20;
const anybody = () => true;

interface Living {
  echo(text: string): Promise<unknown>;
  close(): Promise<void>;
}

const says = (text: string) => ({ content: [{ type: 'text', text }] });
const echoing = (text: string) => ({ name: 'echo', arguments: { text } });
const headers = { authorization: 'Bearer t' };

async function legacyOver(transport: LegacyHttp | SSEClientTransport, n: number): Promise<Living> {
  const client = new LegacyClient({ name: `legacy-${n}`, version: '1' });
  await client.connect(transport as never);
  return { echo: (text) => client.callTool(echoing(text)), close: () => client.close() };
}

async function modern(url: URL, n: number): Promise<Living> {
  const client = new ModernClient(
    { name: `modern-${n}`, version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(new ModernHttp(url, { requestInit: { headers } }));
  return { echo: (text) => client.callTool(echoing(text)), close: () => client.close() };
}

describe.each([
  ['clients of 2024-11-05 with sessions at a server of 2025', startLegacyServer, 'sse'],
  ['clients of 2025 at a server of 2026-07-28', startModernServer, 'legacy'],
  ['clients of 2026-07-28 at a server of 2025', startLegacyServer, 'modern'],
] as const)('%s', (_who, start, kind) => {
  let server: Awaited<ReturnType<typeof start>>;
  let drawbridge: Drawbridge;
  let port: number;
  let all: Living[] = [];

  const connect = (n: number): Promise<Living> => {
    if (kind === 'modern') return modern(new URL('/mcp/server', drawbridge.url), n);
    const requestInit = { headers };
    return kind === 'legacy'
      ? legacyOver(new LegacyHttp(new URL('/mcp/server', drawbridge.url), { requestInit }), n)
      : legacyOver(new SSEClientTransport(new URL('/sse/server', drawbridge.url), { requestInit }), n);
  };

  beforeAll(async () => {
    port = await freePort();
    server = await start(anybody, port);
    const credential = { kind: 'static', token: 't', origins: [server.origin] };
    drawbridge = await startDrawbridge({
      destinations: { server: { kind: 'http', url: server.url, credential: 'own' } },
      credentials: { own: credential },
    });
    all = await Promise.all(Array.from({ length: SESSIONS }, (_, n) => connect(n)));
  });
  afterAll(async () => {
    await Promise.all(all.map((living) => living.close()));
    await drawbridge?.stop();
    await server?.close();
  });

  it('live through its restart: every call is answered, each in its own session', async () => {
    const texts = all.map((_, n) => `before ${n}`);
    expect(await Promise.all(all.map((living, n) => living.echo(texts[n] as string)))).toMatchObject(texts.map(says));
    await server.close();
    server = await start(anybody, port);
    const after = all.map((_, n) => `after ${n}`);
    expect(await Promise.all(all.map((living, n) => living.echo(after[n] as string)))).toMatchObject(after.map(says));
    if ('sessions' in server) expect(server.sessions.opened).toHaveLength(SESSIONS);
  });
});
