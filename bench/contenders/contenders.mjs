import { BRIDGING } from './bridges.mjs';
import { drawbridge, drawbridgeBlind, drawbridgeCallers, drawbridgeProduction } from './drawbridge.mjs';
import { haproxy } from './haproxy.mjs';
import { nginx } from './nginx.mjs';
import { bareUndici, expressHttpProxyMiddleware, httpProxyMiddleware } from './nodeProxies.mjs';
import { TOOLSETS } from './toolsets.mjs';

/** The load goes straight to the upstream: what all others add, they add to this. */
const direct = { name: 'direct', prefix: '/', about: 'no proxy', version: () => '-' };

/** The proxies that are measured in a hurry. */
export const QUICK_PROXIES = [direct, nginx, bareUndici, drawbridge, drawbridgeProduction, httpProxyMiddleware];

/**
 * Who is measured, in the order of the report: `name`; `prefix` before a workload's name in its paths; `about` one line;
 * `version()`, undefined where it isn't installed, and `get`, how to; and, given `{ port, upstreamPort, folder }`, `files(place)` to write
 * into the folder by name and `command(place)` to start. `first`: the workload that it answers first, unless it is `call`. `node`: the command is a script and its arguments, for Node.
 * Those with a `role` play in the scenarios of that role only, and are given `{ url, child, port, folder }`.
 */
export const CONTENDERS = [
  direct,
  nginx,
  haproxy,
  bareUndici,
  drawbridge,
  drawbridgeProduction,
  drawbridgeBlind,
  drawbridgeCallers,
  httpProxyMiddleware,
  expressHttpProxyMiddleware,
  ...BRIDGING,
  ...TOOLSETS,
];
