import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CreateMessageResultSchema,
  ElicitResultSchema,
  ListRootsResultSchema,
  McpError,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
  UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

export const WATCHED = 'test://watched';

/** What the server saw and did. */
export interface Log {
  readonly requests: { method: string; session: string | undefined; authorization: string | undefined }[];
  readonly opened: string[];
  readonly ended: string[];
  readonly watched: Set<string>;
  running: number;
  left: number;
}

/** A server of the official SDK 1.x with sessions that can be made to forget them. */
export interface LegacyMcp {
  readonly url: URL;
  readonly log: Log;
  /** Resources changed: those who watch hear of it. */
  touch(): Promise<void>;
  addTool(name: string): void;
  /** As a process that was started anew: no session, no connection, the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Session {
  readonly transport: StreamableHTTPServerTransport;
  readonly mcp: McpServer;
}

/** `admits` decides by the Authorization header. */
export async function startLegacyMcp(admits: (authorization?: string) => boolean = () => true): Promise<LegacyMcp> {
  const log: Log = { requests: [], opened: [], ended: [], watched: new Set(), running: 0, left: 0 };
  const sessions = new Map<string, Session>();
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const { 'mcp-session-id': id, authorization } = request.headers;
    log.requests.push({ method: request.method ?? '', session: id?.toString(), authorization });
    if (!admits(authorization)) return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    const session = id === undefined ? await open(log, sessions) : sessions.get(String(id));
    if (session) await session.transport.handleRequest(request, response);
    else response.writeHead(404).end();
  };
  const listen = async (port: number) => {
    const server = createServer((request, response) => void serve(request, response));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    sessions.clear();
    log.watched.clear();
  };
  return {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    log,
    addTool: (name) => {
      for (const { mcp } of sessions.values()) mcp.registerTool(name, {}, () => says(name));
    },
    touch: async () => {
      for (const { mcp } of sessions.values()) await mcp.server.sendResourceUpdated({ uri: WATCHED });
    },
    restart: async () => {
      await stop();
      server = await listen(port);
    },
    close: stop,
  };
}

async function open(log: Log, sessions: Map<string, Session>): Promise<Session> {
  const mcp = createMcp(log);
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new InMemoryEventStore(),
    retryInterval: 20,
    onsessioninitialized: (id) => {
      log.opened.push(id);
      sessions.set(id, { transport, mcp });
    },
    onsessionclosed: (id) => {
      log.ended.push(id);
      sessions.delete(id);
    },
  });
  await mcp.connect(transport as Transport);
  return { transport, mcp };
}

export const says = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const form = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };
const ask = (message: string) => ({
  method: 'elicitation/create' as const,
  params: { mode: 'form' as const, message, requestedSchema: form },
});

function createMcp(log: Log): McpServer {
  const capabilities = { tools: { listChanged: true }, logging: {}, resources: { subscribe: true }, prompts: {} };
  const mcp = new McpServer({ name: 'legacy', version: '1.0.0' }, { capabilities, instructions: 'Be kind.' });
  mcp.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => says(text));
  mcp.registerTool('count', { inputSchema: { to: z.int() } }, async ({ to }, { _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
      await sleep(5);
    }
    return says(typeof progressToken);
  });
  mcp.registerTool('wait', {}, async ({ signal }) => {
    log.running += 1;
    if (!signal.aborted) await once(signal, 'abort');
    log.left += 1;
    return says('left');
  });
  mcp.registerTool('drop', {}, async ({ closeSSEStream }) => {
    closeSSEStream?.();
    await sleep(60);
    return says('said after the stream was dropped');
  });
  mcp.registerTool('log', {}, async ({ sendNotification }) => {
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'beside the call' } });
    await mcp.sendLoggingMessage({ level: 'debug', data: 'too fine' });
    await mcp.sendLoggingMessage({ level: 'error', data: 'on the standing stream' });
    await sleep(30);
    return says('logged');
  });
  addAsking(mcp, log);
  addOthers(mcp, log);
  return mcp;
}

function addAsking(mcp: McpServer, log: Log): void {
  mcp.registerTool('ask_form', {}, async ({ sendRequest }) => {
    const { action, content } = await sendRequest(ask('Who?'), ElicitResultSchema);
    return says(`${action} ${content?.name}`);
  });
  mcp.registerTool('ask_beside', {}, async () => {
    const { content } = await mcp.server.elicitInput(ask('Who?').params);
    return says(`Hello, ${content?.name}`);
  });
  mcp.registerTool('ask_twice', {}, async ({ sendRequest }) => {
    const first = await sendRequest(ask('First?'), ElicitResultSchema);
    const second = await sendRequest(ask('Second?'), ElicitResultSchema);
    return says(`${first.content?.name} ${second.content?.name}`);
  });
  mcp.registerTool('ask_both', {}, async ({ sendRequest }) => {
    const [user, roots] = await Promise.all([
      sendRequest(ask('Who?'), ElicitResultSchema),
      sendRequest({ method: 'roots/list' }, ListRootsResultSchema),
    ]);
    return says(`${user.content?.name} in ${roots.roots[0]?.uri}`);
  });
  mcp.registerTool('ask_url', {}, async ({ sendRequest }) => {
    const params = { mode: 'url' as const, message: 'Log in', url: 'https://example.com/login', elicitationId: 'e1' };
    const { action } = await sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema);
    return says(action);
  });
  let visited = false;
  mcp.registerTool('need_url', {}, () => {
    if (visited) return says('done');
    visited = true;
    const params = { mode: 'url' as const, message: 'Log in', url: 'https://example.com/login', elicitationId: 'e2' };
    throw new UrlElicitationRequiredError([params]);
  });
  mcp.registerTool('ask_model', {}, async ({ sendRequest, signal }) => {
    signal.addEventListener('abort', () => {
      log.left += 1;
    });
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'The capital of France?' } }];
    const question = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 10 } };
    try {
      const { content } = await sendRequest(question, CreateMessageResultSchema);
      return says(JSON.stringify(content));
    } catch (error) {
      return says(`refused: ${(error as McpError).code}`);
    }
  });
}

function addOthers(mcp: McpServer, log: Log): void {
  mcp.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  const template = new ResourceTemplate('test://item/{id}', { list: undefined });
  mcp.registerResource('item', template, {}, ({ href }) => ({ contents: [{ uri: href, text: 'item' }] }));
  const argsSchema = {
    city: completable(z.string(), (value) => ['Paris', 'Prague'].filter((c) => c.startsWith(value))),
  };
  mcp.registerPrompt('visit', { argsSchema }, ({ city }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Visit ${city}` } }],
  }));
  mcp.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    if (params.uri !== WATCHED) throw new McpError(-32002, 'no such resource');
    log.watched.add(params.uri);
    return {};
  });
  mcp.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    log.watched.delete(params.uri);
    return {};
  });
}
