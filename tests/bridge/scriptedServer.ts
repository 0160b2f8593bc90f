import { setTimeout as sleep } from 'node:timers/promises';
import { ModernToLegacy } from '../../src/bridge/modernToLegacy.js';
import type { Limits } from '../../src/bridge/modernToLegacyLimits.js';
import type { Attempt, Exchange, Flow, Inbound, Reply, Sink, Upstream } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { Seal } from '../../src/core/seal.js';
import { OpenExchange, OwnRequest } from '../../src/wire/exchange.js';
import { callerLeft } from '../../src/wire/explain.js';
import { parseCall } from '../../src/wire/mcp.js';
import { acceptedReply, EventStream, jsonReply } from '../../src/wire/messages.js';
import { FakeSignals } from '../helpers/fakes.js';

type Json = Record<string, unknown>;

/** A message as it reached the server, or a GET or DELETE. */
export interface Heard {
  readonly verb: string;
  readonly message: Json & { id?: number; method?: string; params?: Json };
  readonly text: string;
  readonly header: Inbound['header'];
  readonly attempt: Attempt;
}

export type Script = (heard: Heard, server: ScriptedServer) => Reply | Promise<Reply> | undefined;

/** A server of 2025-11-25 that does what a test says, and remembers what it heard. Requests that aren't scripted get `{}`. */
export class ScriptedServer implements Upstream {
  readonly name = 'scripted';
  readonly strategy = 'PROXY';
  readonly allowedOrigins = [];
  readonly allowPrivate = true;
  readonly heard: Heard[] = [];
  readonly cut: string[] = [];
  personal = false;
  capabilities: Json = { tools: { listChanged: true }, resources: { subscribe: true }, logging: {}, tasks: {} };
  script: Script = () => undefined;
  sessions = 0;
  /** Ids that the server knows. */
  readonly alive = new Set<string>();
  standing: EventStream | undefined;

  safeToRepeat(): boolean {
    return false;
  }

  resolve(base: URL): URL {
    return base;
  }

  async send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { request, call } = exchange;
    const text = call?.body?.toString() ?? '{}';
    const message = JSON.parse(text) as Heard['message'];
    const heard = { verb: request.method, message, text, header: (name: string) => request.header(name), attempt };
    this.heard.push(heard);
    const scripted = await this.script(heard, this);
    if (scripted) return scripted;
    const session = request.header('mcp-session-id');
    if (session !== undefined && !this.alive.has(session))
      return { status: 404, headers: [], body: null, origin: 'upstream' };
    if (request.method === 'GET') return this.#stand();
    if (request.method === 'DELETE') {
      this.alive.delete(session as string);
      return acceptedReply();
    }
    if (message.method === 'initialize') return this.initialized(message);
    return message.method === undefined || message.id === undefined ? acceptedReply() : this.result(message, {});
  }

  initialized({ id }: Heard['message']): Reply {
    this.sessions += 1;
    this.alive.add(`s${this.sessions}`);
    const serverInfo = { name: 'scripted', version: '1' };
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: this.capabilities,
      serverInfo,
      instructions: 'Hello',
    };
    return jsonReply({ jsonrpc: '2.0', id, result }, ['mcp-session-id', `s${this.sessions}`]);
  }

  result({ id }: Heard['message'], result: object): Reply {
    return jsonReply({ jsonrpc: '2.0', id, result });
  }

  /** An event stream of these messages; the last one is the answer, or it stays open. */
  stream(...messages: readonly object[]): { readonly reply: Reply; readonly events: EventStream } {
    const events = new EventStream(() => this.cut.push('stream'));
    for (const message of messages) events.send({ data: JSON.stringify({ jsonrpc: '2.0', ...message }) });
    return { reply: events.reply(), events };
  }

  /** What was heard of that method. */
  of(method: string): Heard[] {
    return this.heard.filter(({ message, verb }) => (message.method ?? verb) === method);
  }

  /** The JSON-RPC responses that came. */
  get responses(): Json[] {
    return this.heard
      .filter(({ verb, message }) => verb === 'POST' && message.method === undefined)
      .map((one) => one.message);
  }

  async close(): Promise<void> {}

  #stand(): Reply {
    this.standing = new EventStream(() => this.cut.push('standing'));
    return this.standing.reply();
  }
}

/** What a caller got: the status, its messages so far, and whether that is all. */
export interface Got {
  status: number;
  headers: readonly string[];
  readonly messages: (Json & { id?: unknown; result?: Json; error?: Json; method?: string; params?: Json })[];
  ended: boolean;
  failed: boolean;
}

export interface Caller {
  readonly user?: string;
  readonly capabilities?: object;
  readonly logLevel?: string;
  readonly progressToken?: string | number;
  readonly id?: string | number;
  readonly headers?: readonly string[];
  readonly name?: string;
  readonly address?: string;
}

export class ScriptedWorld {
  readonly server = new ScriptedServer();
  readonly signals = new FakeSignals();
  readonly seal: Seal;
  readonly bridge: ModernToLegacy;
  #ids = 0;

  constructor(limits: Partial<Limits> = {}, seal = new Seal()) {
    this.seal = seal;
    const deps = { clock: systemClock, signals: this.signals, seal };
    this.bridge = new ModernToLegacy(this.server, deps, limits);
  }

  exchange(method: string, params: object = {}, caller: Caller = {}, notification = false): OpenExchange {
    this.#ids += 1;
    const _meta = {
      ...(params as { _meta?: object })._meta,
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': caller.capabilities ?? {},
      'io.modelcontextprotocol/clientInfo': { name: caller.name ?? 'test', version: '1' },
      ...(caller.logLevel === undefined ? {} : { 'io.modelcontextprotocol/logLevel': caller.logLevel }),
      ...(caller.progressToken === undefined ? {} : { progressToken: caller.progressToken }),
    };
    const id = notification ? {} : { id: caller.id ?? this.#ids };
    const text = JSON.stringify({ jsonrpc: '2.0', ...id, method, params: { ...params, _meta } });
    const body = Buffer.from(text.replaceAll('"9007199254740993"', '9007199254740993'));
    const headerLines = ['mcp-protocol-version', '2026-07-28', 'mcp-method', method, ...(caller.headers ?? [])];
    const request = new OwnRequest(
      { method: 'POST', target: '/mcp', remoteAddress: caller.address ?? '127.0.0.1', headerLines },
      body,
    );
    const exchange = new OpenExchange('request-1', 'mcp', request, systemClock);
    exchange.call = parseCall(body, request);
    if (caller.user !== undefined) exchange.principal = { subject: caller.user, roles: [], claims: {} };
    return exchange;
  }

  attempt(): Attempt {
    const route = {
      destination: 'scripted',
      upstream: this.server,
      url: new URL('http://127.0.0.1/mcp'),
      publicOnly: false,
      credential: undefined,
    };
    return { number: 1, route, credential: undefined };
  }

  /** Sends and begins to read. */
  async open(method: string, params?: object, caller?: Caller): Promise<Got & { leave(): void }> {
    const exchange = this.exchange(method, params, caller);
    const got = read(await this.bridge.send(exchange, this.attempt()));
    return Object.assign(got, { leave: () => exchange.leave(callerLeft()) });
  }

  /** Sends and reads to the end. Resolves with the last message and the ones before it. */
  async call(method: string, params?: object, caller?: Caller): Promise<Got & { last: Got['messages'][number] }> {
    const got = await this.open(method, params, caller);
    await until(() => got.ended || got.failed);
    return Object.assign(got, { last: got.messages.at(-1) ?? {} });
  }
}

function read(reply: Reply): Got {
  const got: Got = { status: reply.status, headers: reply.headers, messages: [], ended: false, failed: false };
  if (typeof reply.body !== 'function') {
    const text = (reply.body as Buffer | null)?.toString() ?? '';
    if (text.startsWith('{')) got.messages.push(JSON.parse(text));
    got.ended = true;
    return got;
  }
  const take = (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n'))
      if (line.startsWith('data: ')) got.messages.push(JSON.parse(line.slice(6)));
  };
  const sink: Sink = {
    write: (chunk) => {
      take(chunk);
      return true;
    },
    end: (chunk) => {
      if (chunk) take(chunk);
      got.ended = true;
    },
    fail: () => {
      got.failed = true;
    },
  };
  (reply.body as (sink: Sink) => Flow)(sink);
  return got;
}

/** Resolves once `holds` does. Rejects where it never does. */
export async function until(holds: () => boolean): Promise<void> {
  for (const late = Date.now() + 20_000; !holds(); await sleep(2)) {
    if (Date.now() > late) throw new Error(`never: ${holds}`);
  }
}
