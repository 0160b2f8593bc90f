import type { Inbound, Route, RoutingDecision, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { assertPublicHost } from '../wire/publicAddress.js';

/**
 * Where a decided request goes. A URL that a header chose reaches public addresses only, unless the destination
 * says otherwise; one that the operator wrote may be private.
 * @throws GatewayError NO_TARGET_URL, ADDRESS_NOT_ALLOWED
 */
export function route(decision: RoutingDecision, request: Inbound, upstreams: ReadonlyMap<string, Upstream>): Route {
  const upstream = upstreams.get(decision.destination);
  if (!upstream) throw new GatewayError('UNKNOWN_DESTINATION', 'the destination is gone');
  const base = decision.url ?? upstream.url;
  if (!base) throw new GatewayError('NO_TARGET_URL', `${upstream.name} has no URL`);
  const publicOnly = decision.url !== undefined && !upstream.allowPrivate;
  if (publicOnly) assertPublicHost(base);
  const { credential } = upstream;
  return {
    destination: upstream.name,
    upstream,
    url: decision.url ?? upstream.resolve(base, request),
    publicOnly,
    credential,
  };
}
