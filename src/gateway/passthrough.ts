import type { Exchange, Handler, HeaderLines, Reply, Route } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { attemptStep, endAttempt, tracedTakeOver } from './traceSteps.js';

/** The terminal of both HTTP doors: PASSTHROUGH goes straight to its upstream, everything else to `proxy`, where the door has one. */
export function passthrough(proxy?: Handler): Handler {
  return function terminal(exchange: Exchange): Reply | Promise<Reply> {
    const route = exchange.route as Route;
    if (route.upstream.strategy === 'PASSTHROUGH') {
      exchange.costs.attempts = 1;
      return exchange.trace ? traced(exchange, route) : send(exchange, route);
    }
    if (proxy) return proxy(exchange);
    throw new GatewayError('UPGRADE_REFUSED', 'MCP is not spoken over WebSocket');
  };
}

function send(exchange: Exchange, route: Route, trace?: HeaderLines): Promise<Reply> {
  return route.upstream.send(exchange, { number: 1, route, credential: undefined, trace });
}

async function traced(exchange: Exchange, route: Route): Promise<Reply> {
  const step = attemptStep(exchange);
  const reply = await send(exchange, route, exchange.trace?.onwards(step));
  return tracedTakeOver(reply, (result) => endAttempt(step, exchange, route, result));
}
