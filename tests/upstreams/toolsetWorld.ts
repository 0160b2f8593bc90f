import * as z from 'zod';
import type { Tool, Toolset, ToolsetUpstreamDeps } from '../../src/contracts/tools.js';
import type { Credential, Principal, Reply, Upstream } from '../../src/contracts.js';
import kind from '../../src/upstreams/toolset.js';
import { toolsetOptions } from '../../src/upstreams/toolsetOptions.js';
import { OpenExchange, OwnRequest } from '../../src/wire/exchange.js';
import { parseCall } from '../../src/wire/mcp.js';
import { allMessages } from '../../src/wire/messages.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

export type Json = Record<string, unknown>;

/** A tool of which a test says only what matters to it. */
export function toolOf(name: string, run: Tool<Json>['run'], more: Partial<Tool> = {}): Tool {
  return {
    name,
    version: '1.0.0',
    category: 'things',
    effect: 'read',
    description: `Does ${name}.`,
    input: z.strictObject({}),
    ...more,
    run: run as Tool['run'],
  };
}

export interface Asking {
  readonly principal?: Principal;
  readonly headers?: readonly string[];
  readonly id?: string | number;
  readonly credential?: Credential;
  readonly method?: string;
  /** In the place of the whole `_meta`. */
  readonly meta?: Json;
}

export interface Answered {
  readonly status: number;
  readonly messages: Json[];
  /** Of the last message, which is the answer. */
  readonly result: Json;
  readonly error: { readonly code: number; readonly message: string; readonly data?: Json } | undefined;
}

export interface ToolsetWorld {
  readonly upstream: Upstream;
  readonly signals: FakeSignals;
  /** Codes of the failures that came behind a part of an answer. */
  readonly late: readonly string[];
  /** True once the toolset was closed. */
  readonly closed: () => boolean;
  open(method: string, params?: Json, asking?: Asking): { exchange: OpenExchange; reply: Promise<Reply> };
  ask(method: string, params?: Json, asking?: Asking): Promise<Answered>;
  call(name: string, args?: Json, asking?: Asking): Promise<Answered>;
}

export const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

export interface WorldOptions {
  /** Of the destination. */
  readonly options?: Json;
  readonly toolset?: Partial<Toolset>;
  readonly firstByteMs?: number;
}

/** A destination with these tools, without a gateway around it. */
export async function toolsetWorld(tools: readonly Tool[], more: WorldOptions = {}): Promise<ToolsetWorld> {
  const signals = new FakeSignals();
  const clock = new FakeClock();
  const late: string[] = [];
  let closed = false;
  const close = async () => {
    closed = true;
  };
  const deps = {
    name: 'tools',
    clock,
    signals,
    deadlines: { connectMs: 1_000, firstByteMs: more.firstByteMs ?? 20_000, idleMs: 1_000 },
    failedLate: (_exchange: unknown, failure: { readonly code: string }) => void late.push(failure.code),
    openToolset: async () => ({ tools, close, ...more.toolset }),
  };
  const given = toolsetOptions.parse({ toolset: 'test', ...more.options });
  const upstream = await kind.create(given, deps as unknown as ToolsetUpstreamDeps);
  const open: ToolsetWorld['open'] = (method, params, asking = {}) => {
    const exchange = exchangeOf(method, params, asking, clock);
    const url = upstream.url as URL;
    const route = { destination: 'tools', upstream, url, publicOnly: false, credential: undefined };
    exchange.route = route;
    return { exchange, reply: upstream.send(exchange, { number: 1, route, credential: asking.credential }) };
  };
  const ask: ToolsetWorld['ask'] = async (method, params, asking) => answered(await open(method, params, asking).reply);
  const call: ToolsetWorld['call'] = (name, args = {}, asking = {}) =>
    ask('tools/call', { name, arguments: args }, asking);
  return { upstream, signals, late, closed: () => closed, open, ask, call };
}

export async function answered(reply: Reply): Promise<Answered> {
  const messages = (await allMessages(reply)).map((text) => JSON.parse(text) as Json);
  const last = messages.at(-1) ?? {};
  return {
    status: reply.status,
    messages,
    result: (last.result ?? {}) as Json,
    error: last.error as Answered['error'],
  };
}

export function exchangeOf(
  method: string,
  params: Json = {},
  asking: Asking = {},
  clock = new FakeClock(),
): OpenExchange {
  const { id = 7, headers = ['accept', 'application/json, text/event-stream'], principal } = asking;
  const _meta = asking.meta ?? { ...META, ...(params._meta as Json) };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }));
  const said = { method: asking.method ?? 'POST', target: '/mcp/tools', headerLines: headers };
  const request = new OwnRequest({ ...said, remoteAddress: '127.0.0.1' }, body);
  const exchange = new OpenExchange('request-1', 'mcp', request, clock);
  exchange.call = parseCall(body, request);
  exchange.principal = principal;
  return exchange;
}

export function textOf({ result }: Answered): string {
  return (result.content as { text: string }[])[0]?.text ?? '';
}
