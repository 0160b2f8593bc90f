import type { Exchange, McpCall, Principal, Reply, Route, Sink } from '../../src/contracts.js';
import { createRecall } from '../../src/gateway/resultCache.js';
import { type ResultCacheOptions, resultCacheSchema } from '../../src/gateway/resultCacheSchema.js';
import { FakeClock, fakeExchange, fakeInbound } from '../helpers/fakes.js';

export interface Ask {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly principal?: Partial<Principal>;
  readonly destination?: string;
  readonly url?: string;
  readonly headers?: Record<string, string>;
  readonly era?: McpCall['era'];
  readonly tokenIsOurs?: boolean;
  /** Instead of what the fields above would make. */
  readonly body?: string;
}

export const MODERN = '2026-07-28';

export function askingExchange(ask: Ask): Exchange {
  const { id = 1, method = 'tools/list', params = {}, destination = 'ai', era = 'modern' } = ask;
  const body = Buffer.from(ask.body ?? JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  const revision = era === 'modern' ? { revision: MODERN } : {};
  const call: McpCall = { kind: 'request', era, id, method, body, ...revision };
  const route = { destination, url: new URL(ask.url ?? `https://${destination}.example.com/mcp`) } as Route;
  const headers = { Accept: 'application/json, text/event-stream', ...ask.headers };
  const principal = ask.principal && { subject: 's', roles: [], claims: {}, ...ask.principal };
  return fakeExchange(fakeInbound('/mcp', headers), { call, route, principal, tokenIsOurs: ask.tokenIsOurs });
}

export function jsonReply(body: unknown, headers: string[] = [], status = 200): Reply {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { status, headers: ['Content-Type', 'application/json', ...headers], body: bytes, origin: 'upstream' };
}

export function result(more: Record<string, unknown> = {}, id: unknown = 1) {
  return { jsonrpc: '2.0', id, result: { tools: [], ttlMs: 60_000, cacheScope: 'private', ...more } };
}

/** A streamed body in the given pieces; `broken` ends it with a failure. */
export function streamReply(pieces: readonly string[], type = 'text/event-stream', broken = false): Reply {
  const body = (sink: Sink) => {
    for (const piece of pieces) sink.write(Buffer.from(piece));
    if (broken) sink.fail(new Error('broke'));
    else sink.end();
    return { resume() {}, cancel() {} };
  };
  return { status: 200, headers: ['Content-Type', type], body, origin: 'upstream' };
}

/** What a caller would read. */
export function textOf(reply: Reply): string {
  if (Buffer.isBuffer(reply.body)) return reply.body.toString();
  let text = '';
  const add = (chunk?: Buffer) => {
    text += chunk ?? '';
    return true;
  };
  if (typeof reply.body === 'function') reply.body({ write: add, end: add, fail: () => add(Buffer.from('!')) });
  return text;
}

export function cacheBench(
  options: Partial<ResultCacheOptions> = {},
  personal: (route: Route) => boolean = () => false,
) {
  const clock = new FakeClock();
  const recall = createRecall({ ...resultCacheSchema.parse({ enabled: true }), ...options }, { clock, personal });
  let upstream = 0;
  const ask = async (question: Ask, answer: Reply | (() => Reply | Promise<Reply>) = jsonReply(result())) => {
    const reply = await recall.stage(askingExchange(question), () => {
      upstream += 1;
      return typeof answer === 'function' ? answer() : answer;
    });
    return { origin: reply.origin, headers: reply.headers, text: textOf(reply) };
  };
  return { ask, clock, recall, asked: () => upstream };
}
