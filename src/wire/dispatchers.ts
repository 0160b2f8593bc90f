// Its `index.js` brings a whole browser's `fetch`, WebSocket and caches besides, which no start should pay for.
import Agent from 'undici/lib/dispatcher/agent.js';
import type { UpstreamDeps } from '../contracts.js';
import { publicLookup } from './publicAddress.js';

/** The connection pools towards upstreams: one that may go anywhere the operator said, one for URLs that a header chose. */
export type Dispatchers = UpstreamDeps['dispatchers'] & { close(): Promise<void> };

/** HTTP/1.1, one request at a time per connection: a stream then never stands in another call's way. */
export function createDispatchers(connectMs: number): Dispatchers {
  const open = new Agent({ connect: { timeout: connectMs } });
  const publicOnly = new Agent({ connect: { timeout: connectMs, lookup: publicLookup } });
  return {
    open,
    publicOnly,
    close: async () => {
      await Promise.all([open.destroy(), publicOnly.destroy()]);
    },
  };
}
