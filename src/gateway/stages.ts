import type { Exchange, Inbound, Stage, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { type Asking, intercept, type RoutingTable } from '../router/requestInterceptor.js';
import { route } from '../router/router.js';
import { tooLarge } from '../wire/body.js';
import { saidTwice } from '../wire/headers.js';
import { assertAgreement, parseCall, parseJudgedCall } from '../wire/mcp.js';

const METHODS = new Set(['GET', 'POST', 'DELETE']);

/** From path and headers alone: which destination is meant. `read`: what a way that has paths of its own makes of them. */
export function createIntercept(table: RoutingTable, read: (request: Inbound) => Asking = (request) => request): Stage {
  return function interceptStage(exchange, next) {
    exchange.decision = intercept(read(exchange.request), table);
    return next(exchange);
  };
}

/** The body up to its limit, and what it says; `judged` where somebody decides by that. PASSTHROUGH streams its body, so nothing is read. */
export function createRead(maxBodyBytes: number, judged = false): Stage {
  const parse = judged ? parseJudgedCall : parseCall;
  return function read(exchange, next) {
    const { request } = exchange;
    if (exchange.decision?.strategy === 'PASSTHROUGH') return next(exchange);
    // Only an exchange of our own has one by now: its door parsed the message, and wrote its headers.
    if (exchange.call) return next(joined(exchange));
    assertMcpRequest(request, maxBodyBytes);
    if (request.method !== 'POST') {
      exchange.call = { kind: request.method === 'GET' ? 'stream' : 'end', era: 'legacy', body: null };
      return next(exchange);
    }
    return request.body(maxBodyBytes, (body) => {
      exchange.call = parse(body, request);
      assertAgreement(exchange.call, request);
      return next(joined(exchange));
    });
  };
}

/** A message may say whose trace it belongs to. */
function joined(exchange: Exchange): Exchange {
  if (exchange.trace && exchange.call?.trace) exchange.trace.join(exchange.call.trace);
  return exchange;
}

export function assertMcpRequest(request: Inbound, maxBodyBytes: number): void {
  if (!METHODS.has(request.method)) {
    throw new GatewayError('METHOD_NOT_ALLOWED', `${request.method} is not an MCP method`, {
      headers: ['allow', 'GET, POST, DELETE'],
    });
  }
  if (Number(request.header('content-length') ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes);
  if (request.method === 'POST' && !isPlainJson(request)) {
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the body is not plain application/json');
  }
}

function isPlainJson(request: Inbound): boolean {
  const type = request.header('content-type');
  const encoding = request.header('content-encoding')?.trim().toLowerCase() ?? 'identity';
  const json = type === 'application/json' || type?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
  return json && encoding === 'identity' && !saidTwice(request.headerLines, 'content-type');
}

/** The upstream and URL that the decision means. */
export function createRoute(upstreams: ReadonlyMap<string, Upstream>): Stage {
  return function routeStage(exchange, next) {
    if (exchange.decision) exchange.route = route(exchange.decision, exchange.request, upstreams);
    return next(exchange);
  };
}
