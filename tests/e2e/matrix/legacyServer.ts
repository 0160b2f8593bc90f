import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import {
  CreateMessageResultSchema,
  ListRootsResultSchema,
  SubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { citiesFrom, counted, form, PAGE, says, WATCHED, type Work } from './shared.js';

/** The server of the revisions up to 2025-11-25, with the SDK of its time: it asks by requests of its own. */
export function createLegacyServer(work: Work): McpServer {
  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true },
    prompts: {},
    completions: {},
    logging: {},
  };
  const server = new McpServer({ name: 'legacy', version: '1.0.0' }, { capabilities });
  addWork(server, work);
  addQuestions(server);
  addChanges(server);
  server.registerPrompt('greet', { argsSchema: { city: completable(z.string(), citiesFrom) } }, ({ city }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${city}` } }],
  }));
  return server;
}

function addWork(server: McpServer, work: Work): void {
  const inputSchema = { to: z.int(), restMs: z.int().optional() };
  server.registerTool('count', { inputSchema }, async ({ to, restMs }, { _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken;
    for (let progress = 1; progress <= to && progressToken !== undefined; progress++) {
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
    }
    return counted(restMs);
  });
  server.registerTool('wait', {}, async ({ signal, _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken;
    if (progressToken !== undefined) {
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
    }
    return work.wait(signal);
  });
  server.registerTool('cancelled', {}, () => says(String(work.cancelled)));
  server.registerTool('log', {}, async ({ sendNotification }) => {
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'at work' } });
    return says('logged');
  });
}

/** The user by a request that belongs to no call, the model and the roots on the stream of the call: servers do both. */
function addQuestions(server: McpServer): void {
  server.registerTool('ask_user', {}, async () => {
    const { content } = await server.server.elicitInput({ mode: 'form', message: 'Who?', requestedSchema: form });
    return says(`Hello, ${content?.name}`);
  });
  server.registerTool('send_user', {}, async () => {
    const elicitation = { mode: 'url' as const, message: 'Please confirm', url: PAGE, elicitationId: 'once' };
    const { action } = await server.server.elicitInput(elicitation);
    return says(`The user did ${action}`);
  });
  server.registerTool('ask_model', {}, async ({ sendRequest }) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'The capital of France?' } }];
    const question = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 10 } };
    const { content } = await sendRequest(question, CreateMessageResultSchema);
    return says(`The model says ${JSON.stringify(content)}`);
  });
  server.registerTool('ask_roots', {}, async ({ sendRequest }) => {
    const { roots } = await sendRequest({ method: 'roots/list' }, ListRootsResultSchema);
    return says(roots.map(({ uri }) => uri).join());
  });
}

function addChanges(server: McpServer): void {
  const watched = new Set<string>();
  server.registerResource('watched', WATCHED, {}, ({ href }) => ({ contents: [{ uri: href, text: 'watched' }] }));
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    watched.add(params.uri);
    return {};
  });
  server.registerTool('touch', {}, async () => {
    for (const uri of watched) await server.server.sendResourceUpdated({ uri });
    return says('touched');
  });
  server.registerTool('grow', {}, async () => {
    await server.server.sendToolListChanged();
    return says('grown');
  });
}
