// Its `index.js` brings a whole browser's `fetch`, WebSocket and caches besides, which no start should pay for.

import type { buildConnector } from 'undici';
import Agent from 'undici/lib/dispatcher/agent.js';
import type { UpstreamDeps } from '../contracts.js';
import type { Network } from './network.js';
import { publicLookup } from './publicAddress.js';
import { reach } from './reach.js';

/** The connection pools towards upstreams: one that may go anywhere the operator said, one for URLs that a header chose. */
export type Dispatchers = UpstreamDeps['dispatchers'] & { close(): Promise<void> };

/**
 * HTTP/1.1, one request at a time per connection: a stream then never stands in another call's way. A proxy, authorities
 * and a certificate count when a connection is made, and never for a request on it.
 */
export function createDispatchers(connectMs: number, network?: Network): Dispatchers {
  const own = network && !network.isPlain ? network : undefined;
  const open = new Agent({ connect: own ? connector(own, connectMs, false) : { timeout: connectMs } });
  const publicOnly = new Agent({
    connect: own ? connector(own, connectMs, true) : { timeout: connectMs, lookup: publicLookup },
  });
  return {
    open,
    publicOnly,
    close: async () => {
      await Promise.all([open.destroy(), publicOnly.destroy()]);
    },
  };
}

function connector(network: Network, timeoutMs: number, publicOnly: boolean): buildConnector.connector {
  return ({ protocol, host, hostname }, callback) => {
    const url = new URL(`${protocol}//${host ?? hostname}`);
    reach(url, network, { timeoutMs, publicOnly }).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}
