import type { CredentialSource, Exchange, Owner, Principal, Route } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { ownerOf, scopeKey } from '../core/scopeKey.js';

/** The place of one token: a credential of one owner, for one server where each gets its own, of one basis where there is one. */
export interface Slot {
  readonly name: string;
  readonly source: CredentialSource;
  readonly owner: Owner | null;
  /** For a source whose tokens have a basis; no other one is told more than whose the token is. */
  readonly caller: Principal | undefined;
  readonly key: string;
  readonly url: URL;
  /** What the keys are made of, besides the owner. */
  readonly parts: readonly string[];
  readonly basis: string | undefined;
  /** No token of this slot serves for longer. Epoch milliseconds. */
  readonly endsAt: number;
}

/**
 * What the gateway holds for itself is nobody's; what it holds for a caller is that caller's alone, and of that proof alone.
 * @throws GatewayError where the caller has not what the token is made from, or that has ended
 */
export function slotOf(name: string, source: CredentialSource, exchange: Exchange, now: number): Slot {
  const { principal } = exchange;
  const { url } = exchange.route as Route;
  const place = [name, ...serverOf(source, url), ...(source.boundTo?.() ?? [])];
  if (source.scope === 'gateway' || !principal) {
    const key = scopeKey(null, 'token', ...place);
    const endsAt = Number.POSITIVE_INFINITY;
    return { name, source, owner: null, caller: undefined, key, parts: place, url, basis: undefined, endsAt };
  }
  const owner = ownerOf(principal);
  const basis = source.basis?.(principal);
  const endsAt = basis?.expiresAt ?? Number.POSITIVE_INFINITY;
  if (endsAt <= now) throw ended();
  const parts = [...place, ...basisOf(basis?.id)];
  const key = scopeKey(owner, 'token', ...parts);
  return { name, source, owner, caller: basis ? principal : undefined, key, parts, url, basis: basis?.id, endsAt };
}

/** What has a token of its own fails on its own. */
export function failureKey({ owner, parts }: Slot): string {
  return scopeKey(owner, 'token-failure', ...parts);
}

/** Where it is remembered of how many bases an owner has tokens. */
export function basesKey({ owner, name }: Slot): string {
  return scopeKey(owner, 'token-bases', name);
}

function serverOf({ perServer }: CredentialSource, url: URL): string[] {
  return perServer ? [url.origin + url.pathname] : [];
}

function basisOf(basis: string | undefined): string[] {
  return basis === undefined ? [] : ['of', basis];
}

/** Identity forgives clocks that differ; what would be made of the token ends with it all the same. */
function ended(): GatewayError {
  const message = 'the token has expired';
  const challenge = `Bearer error="invalid_token", error_description="${message}"`;
  return new GatewayError('CALLER_UNKNOWN', message, { headers: ['WWW-Authenticate', challenge] });
}
