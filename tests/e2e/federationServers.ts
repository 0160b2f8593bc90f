import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  acceptedContent,
  completable,
  createMcpHandler,
  inputRequired,
  McpServer,
  ResourceTemplate,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

export interface MemberOptions {
  readonly name: string;
  readonly tools?: readonly string[];
  readonly port?: number;
}

export interface MemberServer {
  readonly url: string;
  readonly port: number;
  readonly notify: ServerNotifier;
  /** The headers of each request. */
  readonly heads: Record<string, unknown>[];
  close(): Promise<void>;
}

const says = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const form = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };

/**
 * A server of 2026-07-28 made with the official SDK: tools of the given names, each of which says its server's and its own
 * name; `ask_user`, `count`; a prompt and a template with completions; two resources, of which both servers have `shared://x`.
 */
export async function startMember(options: MemberOptions): Promise<MemberServer> {
  const heads: MemberServer['heads'] = [];
  const handler = createMcpHandler(() => createMember(options), { legacy: 'reject' });
  const serve = toNodeHandler(handler) as RequestListener;
  const server = createServer((request, response) => {
    heads.push(request.headers);
    serve(request, response);
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    await handler.close();
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}/mcp`, port, notify: handler.notify, heads, close };
}

function createMember({ name, tools = [] }: MemberOptions): McpServer {
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
  };
  const server = new McpServer({ name, version: '1.0.0' }, { capabilities, instructions: `This is ${name}.` });
  for (const tool of tools) server.registerTool(tool, {}, () => says(`${name}: ${tool}`));
  server.registerTool('count', { inputSchema: z.object({ to: z.int() }) }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
    }
    return says(name);
  });
  server.registerTool('ask_user', {}, ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user', z.object({ name: z.string() }));
    if (given) return says(`${name}: hello, ${given.name}`);
    return inputRequired({ inputRequests: { user: inputRequired.elicit({ message: 'Who?', requestedSchema: form }) } });
  });
  addPrompt(server, name);
  addResources(server, name);
  return server;
}

function addPrompt(server: McpServer, name: string): void {
  const city = completable(z.string(), (value) => ['Berlin', 'Bern', name].filter((each) => each.startsWith(value)));
  server.registerPrompt('greet', { argsSchema: z.object({ city }) }, ({ city: said }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `${name}: ${said}` } }],
  }));
}

function addResources(server: McpServer, name: string): void {
  const scheme = name.replace('_', '-');
  const read = ({ href }: URL) => ({ contents: [{ uri: href, text: name }] });
  server.registerResource('shared', 'shared://x', {}, read);
  server.registerResource('own', `${scheme}://watched`, {}, read);
  const complete = { id: (value: string) => ['one', 'other'].filter((each) => each.startsWith(value)) };
  server.registerResource(
    'things',
    new ResourceTemplate(`${scheme}://things/{id}`, { list: undefined, complete }),
    {},
    read,
  );
}
