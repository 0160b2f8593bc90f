import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { createLegacy, listen, type ProtectedServer } from './mcpServers.js';

/** An official server of HTTP+SSE (2024-11-05): `GET /sse`, `POST /messages`. Its tools are those of the legacy server, and `grow`, which adds one. */
export interface SseServer extends ProtectedServer {
  /** Streams that were opened, and that are open now. */
  readonly streams: { opened: number; open: number };
  /** Which tokens are good; may be exchanged at any time. */
  accepts: (token: string) => boolean;
  /** Ends every stream, as a restart would; all sessions are gone. Resolves once they are, whatever was opened since. */
  restart(): Promise<void>;
}

/** Answers nobody without a token that it accepts. What isn't one of its two paths is 404, as Express has it. */
export async function startSseServer(accepts: (token: string) => boolean = () => true): Promise<SseServer> {
  const waiting = { running: 0, left: 0 };
  const streams = { opened: 0, open: 0 };
  const sessions = new Map<string, { transport: SSEServerTransport; response: ServerResponse }>();
  const open = async (response: ServerResponse) => {
    const transport = new SSEServerTransport('/messages', response);
    sessions.set(transport.sessionId, { transport, response });
    streams.opened += 1;
    streams.open += 1;
    response.on('close', () => {
      streams.open -= 1;
      sessions.delete(transport.sessionId);
    });
    const mcp = createLegacy(waiting);
    mcp.registerTool('grow', {}, () => {
      mcp.registerTool('grown', {}, () => ({ content: [] }));
      return { content: [] };
    });
    await mcp.connect(transport);
  };
  const server = { accepts };
  const listening = await listen(
    (token) => server.accepts(token),
    (request: IncomingMessage, response: ServerResponse) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
      const session = sessions.get(searchParams.get('sessionId') ?? '');
      if (request.method === 'GET' && pathname === '/sse') void open(response);
      else if (request.method !== 'POST' || pathname !== '/messages') response.writeHead(404).end('Cannot do that');
      else if (session) void session.transport.handlePostMessage(request, response);
      else response.writeHead(404).end('No such session');
    },
  );
  return Object.assign(server, listening, {
    url: `${listening.origin}/sse`,
    waiting,
    streams,
    restart: async () => {
      const closed = Array.from(sessions.values(), ({ response }) => once(response.end(), 'close'));
      await Promise.all(closed);
    },
  });
}
