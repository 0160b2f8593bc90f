import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { startLegacyServer, startModernServer } from '../helpers/mcpServers.js';
import { until } from '../helpers/stdioProgram.js';

/** Clients that open the stream of their session and go away without a word. */
const CLIENTS = 20;
const accept = 'application/json, text/event-stream';
const authorization = 'Bearer t';

describe.each([
  ['a server of 2025', startLegacyServer],
  ['a server of 2026-07-28', startModernServer],
] as const)('streams to %s', (_who, start) => {
  let server: Awaited<ReturnType<typeof start>>;
  let drawbridge: Drawbridge;

  beforeAll(async () => {
    server = await start(() => true);
    drawbridge = await startDrawbridge({
      destinations: { server: { kind: 'http', url: server.url, credential: 'own' } },
      credentials: { own: { kind: 'static', token: 't', origins: [server.origin] } },
    });
  });
  afterAll(async () => {
    await drawbridge?.stop();
    await server?.close();
  });

  async function open(leaving: AbortSignal): Promise<void> {
    const url = `${drawbridge.url}/mcp/server`;
    const json = { accept, authorization, 'content-type': 'application/json' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const initialize = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
    const begun = await fetch(url, { method: 'POST', headers: json, body: initialize });
    await begun.text();
    const session = {
      'mcp-session-id': begun.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': '2025-11-25',
    };
    const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await (await fetch(url, { method: 'POST', headers: { ...json, ...session }, body: initialized })).text();
    const headers = { accept: 'text/event-stream', authorization, ...session };
    fetch(url, { headers, signal: leaving })
      .then((stream) => stream.text())
      .catch(() => {});
  }

  it('are let go of when their clients leave', async () => {
    const leaving = new AbortController();
    await Promise.all(Array.from({ length: CLIENTS }, () => open(leaving.signal)));
    await until(() => server.answering.size === CLIENTS);
    leaving.abort();
    await until(() => server.answering.size === 0);
  });
});
