import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { Era } from './servers.js';

/** Where a client connects: to a URL, or to what it starts. */
export type Place = { readonly url: URL } | { readonly command: string; readonly args: string[] };

export interface CallOptions {
  readonly onProgress?: (progress: number) => void;
  readonly signal?: AbortSignal;
}

/** What its server told a client without being asked. */
export interface Heard {
  readonly logged: unknown[];
  readonly updated: string[];
  toolsChanged: number;
  /** Where the user was sent. */
  readonly sentTo: string[];
}

/** A client of either era, as a person at an editor uses it. */
export interface User {
  readonly version: string | undefined;
  readonly heard: Heard;
  tools(): Promise<string[]>;
  /** The text of the answer. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<string>;
  complete(start: string): Promise<string[]>;
  /** Resolves once the server has agreed to tell of changes to this resource and of the tools. */
  watch(uri: string): Promise<void>;
  /** Asks for logs from this level on. */
  listenToLogs(level: 'info'): Promise<void>;
  close(): Promise<void>;
}

const info = { name: 'user', version: '1.0.0' };
const capabilities = { sampling: {}, roots: {}, elicitation: { form: {}, url: {} } };
const roots = { roots: [{ uri: 'file:///home/ada' }] };
const model = { model: 'test', role: 'assistant' as const, content: { type: 'text' as const, text: 'Paris' } };
const answered = z.object({ content: z.array(z.object({ text: z.string() })) });
const logLevelKey = 'io.modelcontextprotocol/logLevel';

export function connect(era: Era, place: Place): Promise<User> {
  return era === 'legacy' ? connectLegacy(place) : connectModern(place);
}

async function connectLegacy(place: Place): Promise<User> {
  const client = new LegacyClient(info, { capabilities });
  const heard = silence();
  client.setRequestHandler(CreateMessageRequestSchema, () => model);
  client.setRequestHandler(ListRootsRequestSchema, () => roots);
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(heard, params));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.logged.push(params.data));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.updated.push(params.uri));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    heard.toolsChanged += 1;
  });
  const transport = 'url' in place ? new LegacyHttp(place.url) : new LegacyStdio({ ...place, stderr: 'ignore' });
  await client.connect(transport as Transport);
  return {
    version: '2025-11-25',
    heard,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, options = {}) => {
      const result = await client.callTool({ name, arguments: args }, CallToolResultSchema, requestOptions(options));
      return textOf(result);
    },
    complete: async (start) => (await client.complete(completing(start))).completion.values,
    watch: async (uri) => void (await client.subscribeResource({ uri })),
    listenToLogs: async (level) => void (await client.setLoggingLevel(level)),
    close: () => client.close(),
  };
}

async function connectModern(place: Place): Promise<User> {
  const client = new ModernClient(info, { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities });
  const heard = silence();
  client.setRequestHandler('sampling/createMessage', () => model);
  client.setRequestHandler('roots/list', () => roots);
  client.setRequestHandler('elicitation/create', ({ params }) => answer(heard, params));
  client.setNotificationHandler('notifications/message', ({ params }) => void heard.logged.push(params.data));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.updated.push(params.uri));
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    heard.toolsChanged += 1;
  });
  await client.connect('url' in place ? new ModernHttp(place.url) : new ModernStdio({ ...place, stderr: 'ignore' }));
  let meta = {};
  return {
    version: client.getNegotiatedProtocolVersion(),
    heard,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, options = {}) =>
      textOf(await client.callTool({ name, arguments: args, _meta: meta }, requestOptions(options))),
    complete: async (start) => (await client.complete(completing(start))).completion.values,
    watch: async (uri) => void (await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] })),
    // Of 2026-07-28 on, each request says for itself which logs it wants.
    listenToLogs: async (level) => {
      meta = { [logLevelKey]: level };
    },
    close: () => client.close(),
  };
}

function silence(): Heard {
  return { logged: [], updated: [], toolsChanged: 0, sentTo: [] };
}

function answer(heard: Heard, params: { readonly mode?: string | undefined; readonly url?: unknown }) {
  if (params.mode !== 'url') return { action: 'accept' as const, content: { name: 'Ada' } };
  heard.sentTo.push(String(params.url));
  return { action: 'accept' as const };
}

function requestOptions({ onProgress, signal }: CallOptions) {
  return {
    ...(signal && { signal }),
    ...(onProgress && { onprogress: ({ progress }: { progress: number }) => onProgress(progress) }),
  };
}

function completing(value: string) {
  return { ref: { type: 'ref/prompt' as const, name: 'greet' }, argument: { name: 'city', value } };
}

function textOf(result: object): string {
  return answered
    .parse(result)
    .content.map(({ text }) => text)
    .join();
}
