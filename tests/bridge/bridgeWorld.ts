import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BridgeDeps } from '../../src/bridge/deps.js';
import { ModernToLegacy } from '../../src/bridge/modernToLegacy.js';
import type { Limits } from '../../src/bridge/modernToLegacyLimits.js';
import type { Attempt, Reply, Upstream, UpstreamDeps } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { GatewayError } from '../../src/core/errors.js';
import { Seal } from '../../src/core/seal.js';
import { SocketExchange } from '../../src/edge/exchanges.js';
import { respond } from '../../src/edge/respond.js';
import { errorReply } from '../../src/gateway/errorReply.js';
import http from '../../src/upstreams/http.js';
import { createDispatchers } from '../../src/wire/dispatchers.js';
import { callerLeft } from '../../src/wire/explain.js';
import { parseCall } from '../../src/wire/mcp.js';
import { FakeSignals } from '../helpers/fakes.js';

/** A bridge behind a socket of its own, before a real server. */
export interface BridgeWorld {
  readonly url: URL;
  readonly bridge: ModernToLegacy;
  readonly signals: FakeSignals;
  close(): Promise<void>;
}

const MOST = 4 * 1024 * 1024;

/** The caller is whoever `x-test-user` says. */
export async function startBridge(target: URL, limits: Partial<Limits> = {}): Promise<BridgeWorld> {
  const dispatchers = createDispatchers(1_000);
  const signals = new FakeSignals();
  const upstream = await httpUpstream(target, signals, dispatchers);
  const deps: BridgeDeps = { clock: systemClock, signals, seal: new Seal() };
  const bridge = new ModernToLegacy(upstream, deps, limits);
  const attempt = (): Attempt => ({
    number: 1,
    route: { destination: 'legacy', upstream, url: target, publicOnly: false, credential: undefined },
    credential: undefined,
  });
  const server = createServer(async (request, response) => {
    const exchange = new SocketExchange('id', 'mcp', { request, response }, systemClock);
    response.once('close', () => !response.writableFinished && exchange.leave(callerLeft()));
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const body = await exchange.request.body(MOST, (bytes) => bytes);
    exchange.call = parseCall(body, exchange.request);
    const user = exchange.request.header('x-test-user');
    if (user !== undefined) exchange.principal = { subject: user, roles: [], claims: {} };
    if (exchange.call.era === 'legacy') return void response.writeHead(400).end();
    const reply = await bridge.send(exchange, attempt()).catch((error: GatewayError): Reply => {
      if (!(error instanceof GatewayError)) throw error;
      return errorReply(error, exchange);
    });
    respond(response, reply, exchange);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`),
    bridge,
    signals,
    close: async () => {
      await bridge.close();
      server.close();
      server.closeAllConnections();
      await dispatchers.close();
    },
  };
}

async function httpUpstream(
  url: URL,
  signals: FakeSignals,
  dispatchers: UpstreamDeps['dispatchers'],
): Promise<Upstream> {
  return http.create(http.options.parse({ url: url.href }), {
    name: 'legacy',
    clock: systemClock,
    signals,
    baseDir: '.',
    rest: () => Promise.reject(new Error('unused')),
    childEnv: {},
    deadlines: { connectMs: 1_000, firstByteMs: 20_000, idleMs: 20_000 },
    dispatchers,
    member: () => undefined,
  });
}

/** Resolves once `holds` does. Rejects where it never does. */
export async function until(holds: () => boolean): Promise<void> {
  for (const late = Date.now() + 20_000; !holds(); await sleep(2)) {
    if (Date.now() > late) throw new Error(`never: ${holds}`);
  }
}
