import type { Exchange, Handler, Reply, Route } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** The terminal of both HTTP doors: PASSTHROUGH goes straight to its upstream, everything else to `proxy`, where the door has one. */
export function passthrough(proxy?: Handler): Handler {
  return function terminal(exchange: Exchange): Reply | Promise<Reply> {
    const route = exchange.route as Route;
    if (route.upstream.strategy === 'PASSTHROUGH') {
      exchange.costs.attempts = 1;
      return route.upstream.send(exchange, { number: 1, route, credential: undefined });
    }
    if (proxy) return proxy(exchange);
    throw new GatewayError('UPGRADE_REFUSED', 'MCP is not spoken over WebSocket');
  };
}
