import { LegacyToModern } from '../../src/bridge/legacyToModern.js';
import type { ParkingLimits } from '../../src/bridge/legacyToModernAsking.js';
import type { Attempt, Clock, Exchange, McpCall, Reply, Route, Upstream } from '../../src/contracts.js';
import { Seal } from '../../src/core/seal.js';
import { OpenExchange, OwnRequest } from '../../src/wire/exchange.js';
import { parseCall } from '../../src/wire/mcp.js';
import { allMessages, jsonReply, readMessages } from '../../src/wire/messages.js';
import { FakeSignals } from '../helpers/fakes.js';

/** A request as the scripted server gets it. */
export interface Got {
  readonly method: string;
  readonly id: unknown;
  readonly params: Record<string, unknown>;
  readonly text: string;
  readonly header: (name: string) => string | undefined;
  readonly exchange: Exchange;
}

export type Script = (got: Got) => Reply | Promise<Reply>;

/** A clock whose sleepers wake when the time is moved on. */
export class SteppedClock implements Clock {
  time = 0;
  readonly #sleepers = new Set<{ due: number; wake(): void }>();

  now = () => this.time;
  monotonic = () => this.time;
  random = () => 1;

  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const sleeper = { due: this.time + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', leave, { once: true });
    });

  get sleeping(): number {
    return this.#sleepers.size;
  }

  async pass(ms: number): Promise<void> {
    this.time += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.due > this.time) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await settled();
  }
}

/** Lets everything run that waits for nothing. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {}, tasks: { list: {} } },
  instructions: 'Ask away.',
  ttlMs: 0,
  cacheScope: 'private',
  _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'scripted', version: '3' } },
};

/** A response to what was got, as text of its result. */
export const result = (got: Got, text: string | object) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(got.id)},"result":${typeof text === 'string' ? text : JSON.stringify(text)}}`;
export const complete = (got: Got, text: string | object) => jsonReply(result(got, text));
export const failed = (got: Got, error: object, status = 200) =>
  jsonReply({ jsonrpc: '2.0', id: got.id, error }, [], status);

/** The bridge with a scripted server behind it. */
export class ScriptedModern implements Upstream {
  readonly name = 'scripted';
  readonly strategy = 'PROXY';
  readonly allowedOrigins = [];
  readonly allowPrivate = true;
  readonly clock = new SteppedClock();
  readonly got: Got[] = [];
  readonly bridge: LegacyToModern;
  script: Script = (got) => complete(got, { resultType: 'complete' });
  readonly #route: Route = {
    destination: 'scripted',
    upstream: this,
    url: new URL('http://scripted.test/mcp'),
    publicOnly: false,
    credential: undefined,
  };

  constructor(limits?: ParkingLimits) {
    const deps = { clock: this.clock, signals: new FakeSignals(), seal: new Seal() };
    this.bridge = new LegacyToModern(this, deps, limits);
  }

  safeToRepeat = () => false;
  resolve = (base: URL) => base;
  close = async () => {};

  async send(exchange: Exchange, _attempt: Attempt): Promise<Reply> {
    const { body } = exchange.call as McpCall;
    const text = (body as Buffer).toString();
    const { method, id, params } = JSON.parse(text);
    const got = { method, id, params, text, exchange, header: (name: string) => exchange.request.header(name) };
    this.got.push(got);
    if (method === 'server/discover') return complete(got, DISCOVERED);
    return this.script(got);
  }

  exchange(method: string, message: string | object | undefined, headers: readonly string[] = []): OpenExchange {
    const body = message === undefined ? '' : typeof message === 'string' ? message : JSON.stringify(message);
    const said = { method, target: '/mcp/scripted', headerLines: headers, remoteAddress: '127.0.0.1' };
    const request = new OwnRequest(said, Buffer.from(body));
    const exchange = new OpenExchange('e-1', 'mcp', request, this.clock);
    exchange.route = this.#route;
    const bodiless = { kind: method === 'GET' ? 'stream' : 'end', era: 'legacy', body: null } as const;
    exchange.call = method === 'POST' ? parseCall(Buffer.from(body), request) : bodiless;
    return exchange;
  }

  serve(exchange: OpenExchange): Promise<Reply> {
    return this.bridge.send(exchange, { number: 1, route: this.#route, credential: undefined });
  }

  post(message: string | object, session?: string, headers: readonly string[] = []): Promise<Reply> {
    const named = session === undefined ? [] : ['mcp-session-id', session];
    return this.serve(this.exchange('POST', message, [...named, ...headers]));
  }

  async begin(capabilities: object = {}, protocolVersion = '2025-11-25'): Promise<string> {
    const params = { protocolVersion, capabilities, clientInfo: { name: 'c', version: '1', icons: [] } };
    const { headers } = await this.post({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    return headers[headers.indexOf('mcp-session-id') + 1] as string;
  }

  get last(): Got {
    return this.got.at(-1) as Got;
  }
}

/** The whole answer, as text. */
export async function said(reply: Promise<Reply> | Reply): Promise<string> {
  return (await allMessages(await reply)).join('\n');
}

/** A stream as it is read, message by message. */
export function listenTo(reply: Reply) {
  const heard: Record<string, unknown>[] = [];
  const state = { ended: false, broke: false };
  const flow = readMessages(reply, {
    message: (text) => heard.push(JSON.parse(text)),
    end: () => {
      state.ended = true;
    },
    fail: () => {
      state.broke = true;
    },
  });
  return { heard, state, cancel: () => flow.cancel() };
}
