import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  acceptedContent,
  completable,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  McpServer,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

/** What happened at the server. */
export interface Happenings {
  /** Calls of `wait` that are waiting, and those whose caller left. */
  running: number;
  left: number;
  /** The log levels that requests asked for. */
  readonly levels: unknown[];
  readonly headers: IncomingHttpHeaders[];
}

export const WATCHED = 'test://watched';

const says = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const named = z.object({ name: z.string() });
const form = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };
const question = {
  messages: [{ role: 'user' as const, content: { type: 'text' as const, text: 'Why?' } }],
  maxTokens: 5,
};

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  completions: {},
};

/** One request's server, with everything that a bridge has to carry. */
export function createModern(happenings: Happenings): McpServer {
  const server = new McpServer(
    { name: 'modern', version: '2.0.0' },
    { capabilities: CAPABILITIES, instructions: 'Ask away.' },
  );
  addPlain(server, happenings);
  addAsking(server);
  server.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  const template = new ResourceTemplate('test://rooms/{room}', {
    list: undefined,
    complete: { room: () => ['kitchen', 'cellar'] },
  });
  server.registerResource('room', template, {}, ({ href }) => ({ contents: [{ uri: href, text: 'a room' }] }));
  const argsSchema = z.object({
    city: completable(z.string(), (text) => ['Basel', 'Bern'].filter((c) => c.startsWith(text))),
  });
  server.registerPrompt('greet', { argsSchema }, ({ city }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${city}` } }],
  }));
  return server;
}

function addPlain(server: McpServer, happenings: Happenings): void {
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => says(text));
  server.registerTool('count', { inputSchema: z.object({ to: z.int() }) }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
      await sleep(5);
    }
    return says('done');
  });
  server.registerTool('wait', {}, async ({ mcpReq }) => {
    happenings.running += 1;
    if (!mcpReq.signal.aborted) await once(mcpReq.signal, 'abort');
    happenings.running -= 1;
    happenings.left += 1;
    return says('The caller left.');
  });
  server.registerTool('log', {}, async ({ mcpReq }) => {
    for (const level of ['debug', 'info', 'error'] as const) await mcpReq.log(level, `at ${level}`);
    return says('logged');
  });
  const property = { type: 'string' as const, 'x-mcp-header': 'Region' };
  const region = fromJsonSchema({ type: 'object', properties: { region: property }, required: ['region'] });
  server.registerTool('query', { inputSchema: region }, (args) => says(`asked ${(args as { region: string }).region}`));
  const outputSchema = z.array(z.string());
  server.registerTool('names', { outputSchema }, () => ({ ...says('two'), structuredContent: ['a', 'b'] as never }));
}

function addAsking(server: McpServer): void {
  server.registerTool('ask_user', {}, ({ mcpReq }) => {
    const view = inputResponse(mcpReq.inputResponses, 'user');
    if (view.kind === 'elicit' && view.action !== 'accept') return says(`The user said ${view.action}`);
    const given = acceptedContent(mcpReq.inputResponses, 'user', named);
    if (given) return says(`Hello, ${given.name}`);
    return inputRequired({ inputRequests: { user: inputRequired.elicit({ message: 'Who?', requestedSchema: form }) } });
  });
  server.registerTool('send_user', {}, ({ mcpReq }) => {
    const view = inputResponse(mcpReq.inputResponses, 'page');
    if (view.kind === 'elicit') return says(`The user said ${view.action}`);
    const page = { message: 'Log in', url: 'https://login.example.com/x' };
    return inputRequired({ inputRequests: { page: inputRequired.elicitUrl(page) } });
  });
  server.registerTool('ask_model', {}, ({ mcpReq }) => {
    const view = inputResponse(mcpReq.inputResponses, 'model');
    if (view.kind === 'sampling') return says(JSON.stringify(view.result.content));
    return inputRequired({ inputRequests: { model: inputRequired.createMessage(question) } });
  });
  server.registerTool('ask_twice', {}, ({ mcpReq }) => {
    const roots = inputResponse(mcpReq.inputResponses, 'roots');
    const model = inputResponse(mcpReq.inputResponses, 'model');
    const state = mcpReq.requestState();
    if (roots.kind === 'roots') {
      return inputRequired({
        inputRequests: { model: inputRequired.createMessage(question) },
        requestState: `roots: ${roots.roots.map(({ uri }) => uri).join()} "ü"`,
      });
    }
    if (model.kind === 'sampling') return says(`${state} and ${JSON.stringify(model.result.content)}`);
    return inputRequired({ inputRequests: { roots: inputRequired.listRoots() }, requestState: 'first' });
  });
}
