import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { StdioServerTransport as LegacyStdio } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { createMcpHandler, InMemoryServerEventBus, type McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { createLegacyServer } from './legacyServer.js';
import { createModernServer } from './modernServer.js';
import { Work } from './shared.js';

export type Era = 'legacy' | 'modern';

/** A server of one era that listens. */
export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it on a free port; `/mcp` of Streamable HTTP. */
export async function startServer(era: Era): Promise<Listening> {
  const server = createServer(era === 'legacy' ? legacyListener() : modernListener());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, close };
}

/** Speaks on this process's stdin and stdout until stdin ends. */
export async function runOnStdio(era: Era): Promise<void> {
  const ended = once(process.stdin, 'end');
  if (era === 'legacy') await createLegacyServer(new Work()).connect(new LegacyStdio());
  else serveModern();
  await ended;
}

function serveModern(): void {
  const [work, changes] = [new Work(), new InMemoryServerEventBus()];
  serveStdio(() => announcing(createModernServer(work, changes), changes), { legacy: 'reject' });
}

/** What HTTP's handler does by itself: the SDK then says of it only what was asked for. */
function announcing(server: McpServer, changes: InMemoryServerEventBus): McpServer {
  server.server.onclose = changes.subscribe((event) => {
    if (event.kind === 'tools_list_changed') server.sendToolListChanged();
    if (event.kind === 'resource_updated') void server.server.sendResourceUpdated({ uri: event.uri });
  });
  return server;
}

function modernListener(): RequestListener {
  const [work, changes] = [new Work(), new InMemoryServerEventBus()];
  const handler = createMcpHandler(() => createModernServer(work, changes), { legacy: 'reject', bus: changes });
  return toNodeHandler(handler) as RequestListener;
}

function legacyListener(): RequestListener {
  const work = new Work();
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    // The SDK's own class misses its own interface where optional means optional.
    await createLegacyServer(work).connect(transport as Transport);
    return transport;
  };
  return async (request, response) => {
    const id = request.headers['mcp-session-id'];
    const transport = id === undefined ? await open() : sessions.get(String(id));
    if (transport) await transport.handleRequest(request, response);
    else response.writeHead(404).end();
  };
}
