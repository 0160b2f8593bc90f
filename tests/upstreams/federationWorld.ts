import type { Clock, Exchange, Handler, Principal, Reply, Upstream, UpstreamDeps } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import federation from '../../src/upstreams/federation.js';
import { OpenExchange, OwnRequest } from '../../src/wire/exchange.js';
import { parseCall } from '../../src/wire/mcp.js';
import { allMessages, type EventStream, jsonReply } from '../../src/wire/messages.js';
import { FakeSignals } from '../helpers/fakes.js';

export type Json = Record<string, unknown>;

/** The real time, but nobody waits for it: a sleep ends when the test says so. */
export class HandClock implements Clock {
  time = 0;
  readonly sleepers: { ms: number; wake: () => void }[] = [];
  now = () => this.time;
  monotonic = () => this.time;
  random = () => 1;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) reject(signal.reason);
      const sleeper = { ms, wake: resolve };
      this.sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.sleepers.splice(this.sleepers.indexOf(sleeper), 1);
        reject(signal.reason);
      });
    });

  /** Ends every sleep of at most that long. */
  async pass(ms: number): Promise<void> {
    this.time += ms;
    for (const sleeper of [...this.sleepers].filter((each) => each.ms <= ms)) {
      this.sleepers.splice(this.sleepers.indexOf(sleeper), 1);
      sleeper.wake();
    }
    await settled();
  }
}

/** Lets everything happen that waits for no clock. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A member as its chain of stages would answer: by method, whatever it throws or returns. */
export class FakeMember {
  readonly asked: { method: string; params: Json; exchange: Exchange }[] = [];
  readonly streams: EventStream[] = [];
  ended = 0;
  readonly answers: Record<string, (params: Json, exchange: Exchange) => Json | Reply | Promise<Reply>>;

  constructor(answers: FakeMember['answers']) {
    this.answers = answers;
  }

  readonly handler: Handler = (exchange) => {
    const { call } = exchange;
    exchange.ended = () => {
      this.ended += 1;
    };
    const { params = {} } = JSON.parse(String(call?.body)) as { params?: Json };
    this.asked.push({ method: String(call?.method), params, exchange });
    const answer = this.answers[String(call?.method)];
    if (!answer) return error(exchange, 404, -32601, 'Method not found');
    const said = answer(params, exchange);
    if (said instanceof Promise || isReply(said)) return said;
    return jsonReply({ jsonrpc: '2.0', id: call?.id, result: { resultType: 'complete', ...said } });
  };

  methods(): string[] {
    return this.asked.map(({ method }) => method);
  }
}

function isReply(said: Json | Reply): said is Reply {
  return 'status' in said && 'origin' in said;
}

export function error(exchange: Exchange, status: number, code: number, message: string): Reply {
  return jsonReply({ jsonrpc: '2.0', id: exchange.call?.id, error: { code, message } }, [], status);
}

export function broken(): never {
  throw new GatewayError('UPSTREAM_UNREACHABLE', "it can't be reached");
}

/** A member with tools of these names, that answers a call with the name it was called by. */
export function toolsMember(...names: string[]): FakeMember {
  return new FakeMember({
    'tools/list': () => ({
      tools: names.map((name) => ({ name, inputSchema: {} })),
      ttlMs: 1000,
      cacheScope: 'public',
    }),
    'tools/call': ({ name }) => ({ content: [{ type: 'text', text: String(name) }] }),
  });
}

export interface Federated {
  readonly upstream: Upstream;
  readonly clock: HandClock;
  readonly signals: FakeSignals;
  readonly members: Map<string, FakeMember>;
  /** The one message of the answer. */
  ask(method: string, params?: Json, more?: Partial<Asking>): Promise<Answered>;
  open(method: string, params?: Json, more?: Partial<Asking>): { exchange: OpenExchange; reply: Promise<Reply> };
}

export interface Asking {
  readonly principal: Principal;
  readonly headers: readonly string[];
  readonly body: string;
  readonly id: string | number;
}

export interface Answered {
  readonly status: number;
  readonly message: { id?: unknown; result?: Json; error?: { code: number; message: string; data?: Json } };
}

export async function federate(options: Json, members: Record<string, FakeMember>): Promise<Federated> {
  const clock = new HandClock();
  const signals = new FakeSignals();
  const all = new Map(Object.entries(members));
  const deps = { name: 'all', clock, signals, member: (name: string) => all.get(name)?.handler };
  const parsed = federation.options.parse({ members: Object.keys(members), ...options });
  const upstream = await federation.create(parsed, deps as unknown as UpstreamDeps);
  const open: Federated['open'] = (method, params = {}, more = {}) => {
    const exchange = exchangeOf(method, params, more, clock);
    const route = { destination: 'all', upstream, url: upstream.url as URL, publicOnly: false, credential: undefined };
    return { exchange, reply: upstream.send(exchange, { number: 1, route, credential: undefined }) };
  };
  const ask: Federated['ask'] = async (method, params, more) => {
    const reply = await open(method, params, more).reply;
    const [message = '{}'] = await allMessages(reply);
    return { status: reply.status, message: JSON.parse(message) };
  };
  return { upstream, clock, signals, members: all, ask, open };
}

export const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

function exchangeOf(method: string, params: Json, more: Partial<Asking>, clock: Clock): OpenExchange {
  const { id = 7, headers = [], principal } = more;
  const message = { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...META, ...(params._meta as Json) } } };
  const body = Buffer.from(more.body ?? JSON.stringify(message));
  const request = new OwnRequest(
    { method: 'POST', target: '/mcp/all', headerLines: headers, remoteAddress: '127.0.0.1' },
    body,
  );
  const exchange = new OpenExchange('request-1', 'mcp', request, clock);
  exchange.call = parseCall(body, request);
  exchange.principal = principal;
  return exchange;
}

export function namesIn({ message }: Answered, list = 'tools', key = 'name'): unknown[] {
  return ((message.result?.[list] ?? []) as Json[]).map((thing) => thing[key]);
}

export function lacking({ message }: Answered): unknown {
  return (message.result?._meta as Json | undefined)?.['io.mcp-drawbridge/unavailable'];
}
