import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import { LegacyToModern } from '../../src/bridge/legacyToModern.js';
import type { ParkingLimits } from '../../src/bridge/legacyToModernAsking.js';
import type { McpCall, Upstream } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { GatewayError } from '../../src/core/errors.js';
import { Seal } from '../../src/core/seal.js';
import { RequestIds, SocketExchange } from '../../src/edge/exchanges.js';
import { respond } from '../../src/edge/respond.js';
import { errorReply } from '../../src/gateway/errorReply.js';
import http from '../../src/upstreams/http.js';
import { createDispatchers } from '../../src/wire/dispatchers.js';
import { callerLeft } from '../../src/wire/explain.js';
import { parseCall } from '../../src/wire/mcp.js';
import { FakeSignals } from '../helpers/fakes.js';
import { createModern, type Happenings } from './modernServer.js';

/** One listener on a port of its own, or on a given one. */
async function listen(listener: RequestListener, port = 0): Promise<Server> {
  const server = createServer(listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function stop(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  if (server.listening) await once(server, 'close');
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A server of 2026-07-28 and nothing else, made with the official SDK; it can be taken away and come back. */
export class ModernSide {
  readonly happenings: Happenings = { running: 0, left: 0, levels: [], headers: [] };
  #handler: McpHttpHandler = this.#create();
  #server: Server | undefined;
  port = 0;

  async start(): Promise<void> {
    this.#handler = this.#create();
    const serve = toNodeHandler(this.#handler) as RequestListener;
    this.#server = await listen((request, response) => {
      this.happenings.headers.push({ ...request.headers });
      return serve(request, response);
    }, this.port);
    this.port = portOf(this.#server);
  }

  get notify() {
    return this.#handler.notify;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#handler.close(), this.#server && stop(this.#server)]);
  }

  #create(): McpHttpHandler {
    return createMcpHandler(() => createModern(this.happenings), { legacy: 'reject' });
  }
}

/** The bridge between real sockets: a door in front, the `http` kind behind. Callers say who they are by `x-caller`. */
export class BridgeSide {
  readonly bridge: LegacyToModern;
  readonly #upstream: Upstream;
  readonly #dispatchers = createDispatchers(1_000);
  readonly #ids = new RequestIds();
  readonly #url: URL;
  #server: Server | undefined;
  /** How many times each HTTP method came in. */
  readonly methods: string[] = [];

  constructor(port: number, secret: string, limits?: ParkingLimits) {
    this.#url = new URL(`http://127.0.0.1:${port}/mcp`);
    const signals = new FakeSignals();
    const deps = {
      name: 'modern',
      clock: systemClock,
      signals,
      baseDir: '/',
      rest: () => Promise.reject(new Error('no control calls here')),
      childEnv: {},
      deadlines: { connectMs: 1_000, firstByteMs: 20_000, idleMs: 20_000 },
      dispatchers: this.#dispatchers,
      member: () => undefined,
    };
    const options = http.options.parse({ url: this.#url.href });
    this.#upstream = http.create(options, deps) as Upstream;
    this.bridge = new LegacyToModern(this.#upstream, { clock: systemClock, signals, seal: new Seal(secret) }, limits);
  }

  async start(): Promise<URL> {
    this.#server = await listen((request, response) => {
      this.methods.push(request.method ?? '');
      const exchange = new SocketExchange(this.#ids.next(), 'mcp', { request, response }, systemClock);
      response.once('close', () => {
        if (!response.writableFinished) exchange.leave(callerLeft());
      });
      void this.#answer(exchange, request).then((reply) => respond(response, reply, exchange));
    });
    return new URL(`http://127.0.0.1:${portOf(this.#server)}/mcp`);
  }

  async stop(): Promise<void> {
    await this.bridge.close();
    if (this.#server) await stop(this.#server);
    await this.#dispatchers.close();
  }

  async #answer(exchange: SocketExchange, request: IncomingMessage) {
    const subject = String(request.headers['x-caller'] ?? 'ada');
    exchange.principal = { subject, roles: [], claims: {} };
    const upstream = this.#upstream;
    const route = { destination: 'modern', upstream, url: this.#url, publicOnly: false, credential: undefined };
    exchange.route = route;
    try {
      exchange.call = await callOf(exchange);
      return await this.bridge.send(exchange, { number: 1, route, credential: undefined });
    } catch (error) {
      if (error instanceof GatewayError) return errorReply(error, exchange);
      return errorReply(new GatewayError('INTERNAL', String(error)), exchange);
    }
  }
}

async function callOf({ request }: SocketExchange): Promise<McpCall> {
  if (request.method === 'POST') return request.body(4 * 1024 * 1024, (bytes) => parseCall(bytes, request));
  return { kind: request.method === 'GET' ? 'stream' : 'end', era: 'legacy', body: null };
}

export interface LegacySide {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport;
}

/** The official client of the revisions up to 2025-11-25, connected. `prepare` adds what it answers. */
export async function connectLegacy(
  url: URL,
  capabilities: object = {},
  prepare: (client: Client) => void = () => {},
): Promise<LegacySide> {
  const client = new Client({ name: 'legacy', version: '1' }, { capabilities });
  prepare(client);
  const transport = new StreamableHTTPClientTransport(url, {
    reconnectionOptions: {
      initialReconnectionDelay: 20,
      maxReconnectionDelay: 100,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 50,
    },
  });
  await client.connect(transport as Transport);
  return { client, transport };
}

/** Resolves once `holds` does; the test's own deadline is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}
