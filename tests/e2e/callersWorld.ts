import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { ClientLogin } from '../helpers/oauthLogin.js';

/** The audience of tokens names the port, so that it has to be known before the start. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What the tests do with a client of either generation. */
export interface Caller {
  connect(login: ClientLogin): Promise<void>;
  finish(said: URLSearchParams): Promise<void>;
  list(): Promise<string[]>;
  tool(name: string, args: Record<string, unknown>): Promise<unknown>;
  close(): Promise<void>;
}

export function legacyCaller(url: URL): Caller {
  const client = new LegacyClient({ name: 'legacy', version: '1' });
  let transport: LegacyTransport;
  return {
    connect: (authProvider) => {
      transport = new LegacyTransport(url, { authProvider });
      // The SDK's own class misses its own interface where optional means optional.
      return client.connect(transport as Transport);
    },
    finish: (said) => transport.finishAuth(String(said.get('code'))),
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    tool: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
}

export function modernCaller(url: URL): Caller {
  const mode = { pin: '2026-07-28' };
  const client = new ModernClient({ name: 'modern', version: '1' }, { versionNegotiation: { mode } });
  let transport: ModernTransport;
  return {
    connect: (authProvider) => {
      transport = new ModernTransport(url, { authProvider });
      return client.connect(transport);
    },
    finish: (said) => transport.finishAuth(said),
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    tool: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
}
