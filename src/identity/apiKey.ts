import { timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { ApiKey, IdentityDeps, IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Kind, Principal } from '../contracts.js';
import { hashKey, isWellFormed, looksLikeKey } from './apiKeyFormat.js';
import { bearerToken, type Provider, unknownCaller } from './provider.js';

const options = z.strictObject({
  /** Roles that every key has, its own besides. */
  roles: z.array(z.string().min(1)).default([]),
});

type Options = z.infer<typeof options>;

/** API keys of this gateway, in `Authorization: Bearer` or `x-api-key`. */
const kind: Kind<IdentityProvider, Options, IdentityDeps> = {
  options,
  create: (given, deps) => new ApiKeys(given, deps),
};

export default kind;

class ApiKeys implements Provider {
  readonly authorizationServers: readonly string[] = [];
  readonly #roles: readonly string[];
  readonly #deps: IdentityDeps;
  /** Made once per record: the ring hands out the same one until its file changes. */
  readonly #principals = new WeakMap<ApiKey, Principal>();

  constructor(given: Options, deps: IdentityDeps) {
    this.#roles = given.roles;
    this.#deps = deps;
  }

  recognises(request: Inbound): boolean {
    const key = shown(request);
    return key !== undefined && looksLikeKey(key);
  }

  verify(request: Inbound): Principal {
    const key = shown(request) ?? '';
    if (!isWellFormed(key)) throw unknownCaller('the API key is not well-formed: it may have been cut or mistyped');
    const hash = hashKey(key);
    const record = this.#deps.keys.find(hash);
    if (!record || !sameHash(record.hash, hash) || hasEnded(record, this.#deps.clock.now()))
      throw unknownCaller('the API key is unknown, expired or revoked');
    return this.#principal(record);
  }

  #principal(record: ApiKey): Principal {
    const known = this.#principals.get(record);
    if (known) return known;
    const { id, name, tenant, destinations } = record;
    const principal: Principal = Object.freeze({
      subject: `${this.#deps.name}:${id}`,
      roles: [...new Set([...this.#roles, ...record.roles])],
      claims: Object.freeze({ key: name }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(destinations === undefined ? {} : { destinations }),
    });
    this.#principals.set(record, principal);
    return principal;
  }
}

function shown(request: Inbound): string | undefined {
  return request.header('x-api-key') ?? bearerToken(request);
}

/** In time that doesn't tell how much of it was right. */
function sameHash(kept: string, hash: string): boolean {
  const a = Buffer.from(kept, 'hex');
  const b = Buffer.from(hash, 'hex');
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Revoked, or past its end. `now` is epoch milliseconds. */
export function hasEnded(record: ApiKey, now: number): boolean {
  return (record.revokedAt ?? Number.POSITIVE_INFINITY) <= now || (record.expiresAt ?? Number.POSITIVE_INFINITY) <= now;
}
