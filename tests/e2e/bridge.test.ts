import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { call, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type LegacyServer, type ModernServer, startLegacyServer, startModernServer } from '../helpers/mcpServers.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';

/** Which way a call takes, by what the server is found to speak: with credentials that expire, through the real process. */
describe('a server of the other era', () => {
  let issuer: Issuer;
  let modern: ModernServer;
  let legacy: LegacyServer;
  let drawbridge: Drawbridge;

  beforeAll(async () => {
    issuer = await startIssuer();
    [modern, legacy] = await Promise.all([startModernServer(issuer.accepts), startLegacyServer(issuer.accepts)]);
    drawbridge = await startDrawbridge({
      destinations: {
        modern: { kind: 'http', url: modern.url, credential: 'jobs' },
        legacy: { kind: 'http', url: legacy.url, credential: 'jobs' },
        told: { kind: 'http', url: legacy.url, credential: 'jobs', era: 'legacy' },
        only: { kind: 'http', url: modern.url, credential: 'jobs', era: 'both' },
        locked: { kind: 'http', url: modern.url },
      },
      credentials: { jobs: issuer.credential(modern.origin, legacy.origin) },
    });
  });

  afterAll(async () => {
    await drawbridge?.stop();
    await Promise.all([modern?.close(), legacy?.close(), issuer?.close()]);
  });

  const at = (destination: string) => new URL(`/mcp/${destination}`, drawbridge.url);
  const says = (text: string) => ({ content: [{ type: 'text', text }] });

  async function asLegacy<Value>(destination: string, job: (client: LegacyClient) => Promise<Value>): Promise<Value> {
    const client = new LegacyClient({ name: 'legacy', version: '1' });
    // The SDK's own class misses its own interface where optional means optional.
    await client.connect(new LegacyTransport(at(destination)) as Transport);
    try {
      return await job(client);
    } finally {
      await client.close();
    }
  }

  async function asModern<Value>(destination: string, job: (client: ModernClient) => Promise<Value>): Promise<Value> {
    const client = new ModernClient(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    await client.connect(new ModernTransport(at(destination)));
    try {
      return await job(client);
    } finally {
      await client.close();
    }
  }

  it.each(['modern', 'legacy'])('%s is found out, and a client of 2025 calls it', async (destination) => {
    await asLegacy(destination, async (client) => {
      expect(client.getServerVersion()?.name).toBe(destination);
      expect(await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })).toMatchObject(says('Grüße'));
    });
  });

  it.each(['modern', 'legacy', 'told'])('%s is found out, and a client of 2026 calls it', async (destination) => {
    await asModern(destination, async (client) => {
      expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
      expect(await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })).toMatchObject(says('Grüße'));
    });
  });

  it('is served on with a fresh credential when the one of its session is refused', async () => {
    await asModern('legacy', async (client) => {
      await client.callTool({ name: 'echo', arguments: { text: 'before' } });
      issuer.revoke();
      expect(await client.callTool({ name: 'echo', arguments: { text: 'after' } })).toMatchObject(says('after'));
    });
    await asLegacy('modern', async (client) => {
      issuer.revoke();
      expect(await client.callTool({ name: 'echo', arguments: { text: 'after' } })).toMatchObject(says('after'));
    });
  });

  it('is never concluded from a 401, which passes with its challenge', async () => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
    const before = modern.knocks.length;
    const answer = await call(at('locked').href, 'initialize', params);
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"']);
    expect(modern.knocks.length - before).toBe(1);
  });

  it('is left to the client where the operator said that it needs no bridge', async () => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
    const answer = await call(at('only').href, 'initialize', params);
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  it('loses a session of a bridge that was never its own', async () => {
    const session = { 'mcp-session-id': 'db.bm90IG91cnM', 'mcp-protocol-version': '2025-11-25' };
    for (const destination of ['modern', 'legacy']) {
      const answer = await call(at(destination).href, 'tools/list', {}, session);
      expect([answer.status, codeOf(answer)]).toEqual([404, 'SESSION_LOST']);
    }
  });
});
