import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { McpServer as LegacyMcp } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageResultSchema, SubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import {
  acceptedContent,
  createMcpHandler,
  inputRequired,
  McpServer as ModernMcp,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

/** A request as it stood at the server's door. */
export interface Knock {
  readonly method: string;
  readonly authorization: string | undefined;
  readonly session: string | undefined;
  readonly lastEventId: string | undefined;
}

/** An MCP server made with the official SDK that answers nobody without a token it accepts. */
export interface ProtectedServer {
  readonly url: string;
  readonly origin: string;
  /** Answers that have begun, or will, and have not ended. */
  readonly answering: ReadonlySet<unknown>;
  readonly knocks: readonly Knock[];
  /** Calls of `wait` that are still waiting, and those whose caller left. */
  readonly waiting: { running: number; left: number };
  close(): Promise<void>;
}

export interface ModernServer extends ProtectedServer {
  readonly notify: ServerNotifier;
}

export interface LegacyServer extends ProtectedServer {
  /** Of every session that was opened, and of those that their client ended. */
  readonly sessions: { readonly opened: string[]; readonly ended: string[] };
}

export const WATCHED = 'test://watched';

/** Of 2026-07-28, without sessions: `echo`, `count`, `ask_user`, `wait`. */
export async function startModernServer(accepts: (token: string) => boolean, port = 0): Promise<ModernServer> {
  const waiting = { running: 0, left: 0 };
  const handler = createMcpHandler(() => createModern(waiting), { legacy: 'reject' });
  const listening = await listen(accepts, toNodeHandler(handler) as RequestListener, port);
  const close = async () => {
    await Promise.all([handler.close(), listening.close()]);
  };
  return { ...listening, waiting, notify: handler.notify, close };
}

/** Of the revisions up to 2025-11-25, with sessions: the same, and `ask_model`, `drop`, `touch`. */
export async function startLegacyServer(accepts: (token: string) => boolean, port = 0): Promise<LegacyServer> {
  const waiting = { running: 0, left: 0 };
  const sessions = { opened: [] as string[], ended: [] as string[] };
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new InMemoryEventStore(),
      retryInterval: 20,
      onsessioninitialized: (id) => {
        sessions.opened.push(id);
        transports.set(id, transport);
      },
      onsessionclosed: (id) => {
        sessions.ended.push(id);
        transports.delete(id);
      },
    });
    // The SDK's own class misses its own interface where optional means optional.
    await createLegacy(waiting).connect(transport as Transport);
    return transport;
  };
  const listening = await listen(
    accepts,
    async (request, response) => {
      const id = request.headers['mcp-session-id'];
      const transport = id === undefined ? await open() : transports.get(String(id));
      if (transport) await transport.handleRequest(request, response);
      else response.writeHead(404).end();
    },
    port,
  );
  const close = async () => {
    await Promise.all([...transports.values()].map((transport) => transport.close()));
    await listening.close();
  };
  return { ...listening, waiting, sessions, close };
}

export async function listen(accepts: (token: string) => boolean, serve: RequestListener, port = 0) {
  const knocks: Knock[] = [];
  const answering = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    knocks.push(knockOf(request));
    answering.add(response);
    response.once('close', () => answering.delete(response));
    if (isLetIn(request, response, accepts)) serve(request, response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { origin, url: `${origin}/mcp`, knocks, answering, close };
}

function knockOf({ method = '', headers }: IncomingMessage): Knock {
  const { authorization, 'mcp-session-id': session, 'last-event-id': lastEventId } = headers;
  return { method, authorization, session: session?.toString(), lastEventId: lastEventId?.toString() };
}

/** RFC 6750 section 3. */
function isLetIn(request: IncomingMessage, response: ServerResponse, accepts: (token: string) => boolean): boolean {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (token !== undefined && accepts(token)) return true;
  response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
  return false;
}

export type Waiting = ProtectedServer['waiting'];
const says = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const named = z.object({ name: z.string() });
const form = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };

/** Never answers: it ends when its caller leaves. */
async function waitFor(signal: AbortSignal, waiting: Waiting) {
  waiting.running += 1;
  if (!signal.aborted) await once(signal, 'abort');
  waiting.running -= 1;
  waiting.left += 1;
  return says('The caller left.');
}

function createModern(waiting: Waiting): ModernMcp {
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } };
  const server = new ModernMcp({ name: 'modern', version: '1.0.0' }, { capabilities });
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => says(text));
  server.registerTool('count', { inputSchema: z.object({ to: z.int() }) }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
      await sleep(10);
    }
    return says('done');
  });
  server.registerTool('ask_user', {}, ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user', named);
    if (given) return says(`Hello, ${given.name}`);
    return inputRequired({ inputRequests: { user: inputRequired.elicit({ message: 'Who?', requestedSchema: form }) } });
  });
  server.registerTool('wait', {}, ({ mcpReq }) => waitFor(mcpReq.signal, waiting));
  server.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  return server;
}

export function createLegacy(waiting: Waiting): LegacyMcp {
  const capabilities = { tools: {}, logging: {}, resources: { subscribe: true } };
  const server = new LegacyMcp({ name: 'legacy', version: '1.0.0' }, { capabilities });
  const watched = new Set<string>();
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => says(text));
  server.registerTool('count', { inputSchema: { to: z.int() } }, async ({ to }, { _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
      await sleep(10);
    }
    return says('done');
  });
  server.registerTool('wait', {}, ({ signal }) => waitFor(signal, waiting));
  // The answer is then to be had by a GET with Last-Event-ID (2025-11-25, Resumability).
  server.registerTool('drop', {}, async ({ closeSSEStream }) => {
    closeSSEStream?.();
    await sleep(100);
    return says('said after the stream was dropped');
  });
  server.registerTool('touch', {}, async () => {
    for (const uri of watched) await server.server.sendResourceUpdated({ uri });
    return says('touched');
  });
  addAsking(server);
  server.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    watched.add(params.uri);
    return {};
  });
  return server;
}

/** The tools that ask back: one on the stream that the client keeps open by GET, one on that of the call itself. */
function addAsking(server: LegacyMcp): void {
  server.registerTool('ask_user', {}, async () => {
    const { content } = await server.server.elicitInput({ mode: 'form', message: 'Who?', requestedSchema: form });
    return says(`Hello, ${content?.name}`);
  });
  server.registerTool('ask_model', {}, async ({ sendRequest }) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'The capital of France?' } }];
    const question = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 10 } };
    const { content } = await sendRequest(question, CreateMessageResultSchema);
    return says(JSON.stringify(content));
  });
}
