import type { Inbound, RoutingDecision, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { nearest } from '../core/text.js';
import { isMcpPath, splitTarget } from '../wire/paths.js';
import { type Asked, analyzeHeaders } from './headerAnalyzer.js';

/** What the configuration says about routing. */
export interface RoutingTable {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** By flag: beats everything that a request says. */
  readonly forced?: string;
  readonly defaultDestination?: string;
  readonly passthrough?: string;
  /** Tells of a name that is close to an unknown one: only where every caller may know them all. */
  readonly suggest: boolean;
}

/** What a destination is chosen by. */
export type Asking = Pick<Inbound, 'target' | 'header'>;

/**
 * Decides which destination a request means: forced by flag, then path, then header, then a listed target URL alone,
 * then the default, then PASSTHROUGH.
 * @throws GatewayError NO_DESTINATION, UNKNOWN_DESTINATION, TARGET_NOT_ALLOWED, AMBIGUOUS_TARGET_URL, NOT_FOUND, and
 *   those of `analyzeHeaders`
 */
export function intercept(request: Asking, table: RoutingTable): RoutingDecision {
  const [path] = splitTarget(request.target);
  const mcp = isMcpPath(path);
  if (mcp && table.forced !== undefined) return decide(table, table.forced, 'flag');
  const asked = analyzeHeaders(path, request);
  const decision =
    asked.destination === undefined ? unnamed(table, asked, mcp) : named(table, asked, asked.destination);
  if (!mcp && decision.strategy === 'PROXY')
    throw new GatewayError('NOT_FOUND', `nothing is served at ${path.slice(0, 200)}`);
  return decision;
}

function named(table: RoutingTable, asked: Asked, name: string): RoutingDecision {
  const decision = decide(table, name, asked.by ?? 'header');
  if (!asked.url) return decision;
  if (!lists(upstreamOf(table, name), asked.url)) {
    throw new GatewayError('TARGET_NOT_ALLOWED', `${asked.url.origin} is not an origin of this destination`);
  }
  return { ...decision, url: asked.url };
}

function unnamed(table: RoutingTable, asked: Asked, mcp: boolean): RoutingDecision {
  if (asked.url) return byTarget(table, asked.url);
  if (mcp && table.defaultDestination !== undefined) return decide(table, table.defaultDestination, 'default');
  if (table.passthrough !== undefined) return decide(table, table.passthrough, 'passthrough');
  if (mcp) throw new GatewayError('NO_DESTINATION', 'the request names no destination');
  throw new GatewayError('NOT_FOUND', 'nothing is served here');
}

/** A target URL alone means the one destination that lists its origin. */
function byTarget(table: RoutingTable, url: URL): RoutingDecision {
  const owners = [...table.upstreams.values()].filter(
    (upstream) => upstream.strategy === 'PROXY' && lists(upstream, url),
  );
  if (owners.length > 1) throw new GatewayError('AMBIGUOUS_TARGET_URL', `several destinations list ${url.origin}`);
  const owner = owners[0];
  if (!owner) throw new GatewayError('TARGET_NOT_ALLOWED', `no destination lists ${url.origin}`);
  return { ...decide(table, owner.name, 'url'), url };
}

/** Tools that live here are at no address: what their destination names is a vendor's, which a server may share. */
function lists(upstream: Upstream, url: URL): boolean {
  if (upstream.tools) return false;
  return upstream.url?.origin === url.origin || upstream.allowedOrigins.includes(url.origin);
}

function decide(table: RoutingTable, name: string, by: RoutingDecision['by']): RoutingDecision {
  const upstream = upstreamOf(table, name);
  return { strategy: upstream.strategy, destination: upstream.name, by };
}

function upstreamOf(table: RoutingTable, name: string): Upstream {
  const upstream = table.upstreams.get(name);
  if (upstream) return upstream;
  const close = table.suggest && /^[\w.-]{1,64}$/.test(name) ? nearest(name, table.upstreams.keys()) : undefined;
  throw new GatewayError(
    'UNKNOWN_DESTINATION',
    'no destination has that name',
    close ? { hint: `Did you mean ${close}?` } : {},
  );
}
