import {
  acceptedContent,
  completable,
  inputRequired,
  inputResponse,
  McpServer,
  type ServerContext,
  type ServerEventBus,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { citiesFrom, counted, form, PAGE, says, WATCHED, type Work } from './shared.js';

/** The same server as of 2026-07-28: it asks by answers that want more input. */
export function createModernServer(work: Work, changes: ServerEventBus): McpServer {
  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true },
    prompts: {},
    completions: {},
    logging: {},
  };
  const server = new McpServer({ name: 'modern', version: '1.0.0' }, { capabilities });
  addWork(server, work);
  addQuestions(server);
  server.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  server.registerTool('touch', {}, () => {
    changes.publish({ kind: 'resource_updated', uri: WATCHED });
    return says('touched');
  });
  server.registerTool('grow', {}, () => {
    changes.publish({ kind: 'tools_list_changed' });
    return says('grown');
  });
  const argsSchema = z.object({ city: completable(z.string(), citiesFrom) });
  server.registerPrompt('greet', { argsSchema }, ({ city }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${city}` } }],
  }));
  return server;
}

function addWork(server: McpServer, work: Work): void {
  const inputSchema = z.object({ to: z.int(), restMs: z.int().optional() });
  server.registerTool('count', { inputSchema }, async ({ to, restMs }, { mcpReq }) => {
    for (let progress = 1; progress <= to; progress++) await report(mcpReq, { progress, total: to });
    return counted(restMs);
  });
  server.registerTool('wait', {}, async ({ mcpReq }) => {
    await report(mcpReq, { progress: 1 });
    return work.wait(mcpReq.signal);
  });
  server.registerTool('cancelled', {}, () => says(String(work.cancelled)));
  server.registerTool('log', {}, async ({ mcpReq }) => {
    await mcpReq.log('info', 'at work');
    return says('logged');
  });
}

async function report(request: ServerContext['mcpReq'], params: { progress: number; total?: number }): Promise<void> {
  const progressToken = request._meta?.progressToken;
  if (progressToken === undefined) return;
  await request.notify({ method: 'notifications/progress', params: { progressToken, ...params } });
}

function addQuestions(server: McpServer): void {
  server.registerTool('ask_user', {}, ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user', z.object({ name: z.string() }));
    if (given) return says(`Hello, ${given.name}`);
    return inputRequired({ inputRequests: { user: inputRequired.elicit({ message: 'Who?', requestedSchema: form }) } });
  });
  server.registerTool('send_user', {}, ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'user');
    if (given.kind === 'elicit') return says(`The user did ${given.action}`);
    return inputRequired({
      inputRequests: { user: inputRequired.elicitUrl({ message: 'Please confirm', url: PAGE }) },
    });
  });
  server.registerTool('ask_model', {}, ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'model');
    if (given.kind === 'sampling') return says(`The model says ${JSON.stringify(given.result.content)}`);
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'The capital of France?' } }];
    return inputRequired({ inputRequests: { model: inputRequired.createMessage({ messages, maxTokens: 10 }) } });
  });
  server.registerTool('ask_roots', {}, ({ mcpReq }) => {
    const given = inputResponse(mcpReq.inputResponses, 'roots');
    if (given.kind === 'roots') return says(given.roots.map(({ uri }) => uri).join());
    return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
  });
}
