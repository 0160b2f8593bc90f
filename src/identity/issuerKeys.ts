import type { CompactJWSHeaderParameters, CryptoKey, JSONWebKeySet, LocalJWKSet } from 'jose';
import type { KindDeps } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import type { GatewayError } from '../core/errors.js';
import { parsedOrNothing } from '../core/json.js';
import { RestError } from '../core/restError.js';
import { isTrustworthy } from './issuerUrl.js';
import { unchecked, unknownCaller } from './provider.js';

const SECOND = 1000;

/** A key that isn't known is looked for at most this often, whoever sends tokens that name one. */
const SEEK_EVERY_MS = 30 * SECOND;

/** After a failure, before the next try. */
const PAUSE_MS = 5 * SECOND;

/** Keys are asked for anew behind callers' backs when they are this old, so that one the issuer withdrew ends. */
const FRESH_MS = 600 * SECOND;

/** Keys of an issuer that can't be reached serve no longer than this. */
const STALE_MS = 24 * 3600 * SECOND;

const ANSWER_WITHIN_MS = 5 * SECOND;
const MAX_CHARACTERS = 256 * 1024;
const MOST_KEYS = 100;

/** Asymmetric keys only: with a secret, whoever can check a signature can also make one. */
const KEY_TYPES = new Set<unknown>(['RSA', 'EC', 'OKP']);

/** The keys that an issuer signs with (RFC 7517): fetched when first needed, kept, and looked for anew when a token names another. */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #deps: KindDeps;
  readonly #configured: string | undefined;
  readonly #closing = new AbortController();
  readonly #loading = new SingleFlight<void>();
  #discovered: string | undefined;
  #keys: LocalJWKSet | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #failed = false;

  constructor(issuer: string, jwksUri: string | undefined, deps: KindDeps) {
    this.#issuer = issuer;
    this.#configured = jwksUri;
    this.#deps = deps;
  }

  /** The key that a token's header names. Nothing else of the header is believed: no `jku`, `jwk`, `x5u` or `x5c`. */
  readonly find = async (header: CompactJWSHeaderParameters): Promise<CryptoKey> => {
    const { alg, kid } = header;
    const wanted = kid === undefined ? { alg } : { alg, kid };
    const keys = await this.#current();
    return (await match(keys, wanted)) ?? this.#seek(wanted);
  };

  close(): void {
    this.#closing.abort();
  }

  async #current(): Promise<LocalJWKSet> {
    const age = this.#age(this.#loadedAt);
    if (!this.#keys || age >= STALE_MS) await this.#load(PAUSE_MS);
    else if (age >= FRESH_MS && this.#age(this.#triedAt) >= SEEK_EVERY_MS) void this.#load(PAUSE_MS);
    if (!this.#keys || this.#age(this.#loadedAt) >= STALE_MS) throw this.#unavailable();
    return this.#keys;
  }

  /** The issuer may have a new key since; a flood of made-up names asks it no more often than one would. */
  async #seek(wanted: { alg: string; kid?: string }): Promise<CryptoKey> {
    await this.#load(SEEK_EVERY_MS);
    const found = this.#keys && (await match(this.#keys, wanted));
    if (found) return found;
    if (this.#failed) throw this.#unavailable();
    throw unknownCaller('the token is signed with a key that its issuer does not publish');
  }

  /** Asks the issuer, unless it was asked within `pauseMs`. Resolves whether or not it answered; who runs already is waited for. */
  #load(pauseMs: number): Promise<void> {
    return this.#loading.run('keys', async () => {
      if (this.#age(this.#triedAt) < pauseMs) return;
      this.#triedAt = this.#deps.clock.monotonic();
      try {
        const { createLocalJWKSet } = await import('jose');
        this.#keys = createLocalJWKSet(await this.#fetchKeys());
        this.#loadedAt = this.#deps.clock.monotonic();
        this.#failed = false;
      } catch (error) {
        this.#failed = true;
        this.#discovered = undefined;
        const reason = error instanceof RestError || error instanceof IssuerFault ? error.message : 'unknown';
        this.#deps.signals.emit('identity.unavailable', { identity: this.#deps.name, reason });
      }
    });
  }

  async #fetchKeys(): Promise<JSONWebKeySet> {
    this.#discovered = this.#configured ?? this.#discovered ?? (await this.#discover());
    const found = (await this.#get(this.#discovered)) as { keys?: unknown };
    const keys = Array.isArray(found.keys) ? found.keys : [];
    if (keys.length > MOST_KEYS) throw new IssuerFault(`the key set has more than ${MOST_KEYS} keys`);
    const usable = keys.filter((key) => typeof key === 'object' && key !== null && KEY_TYPES.has(key.kty));
    if (usable.length === 0) throw new IssuerFault('the key set has no key that can be used');
    return { keys: usable };
  }

  /** OpenID Connect Discovery 1.0 section 4, then RFC 8414 section 3.1. */
  async #discover(): Promise<string> {
    const { origin, pathname } = new URL(this.#issuer);
    const path = pathname.replace(/\/$/, '');
    const places = [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
    ];
    const faults: string[] = [];
    for (const place of places) {
      try {
        return this.#keysOf((await this.#get(place)) as { issuer?: unknown; jwks_uri?: unknown });
      } catch (error) {
        if (!(error instanceof IssuerFault)) throw error;
        faults.push(error.message);
      }
    }
    throw new IssuerFault(faults.join('; '));
  }

  /** Compared letter by letter (RFC 8414 section 3.3): a document that speaks for another issuer says nothing about this one. */
  #keysOf({ issuer, jwks_uri }: { issuer?: unknown; jwks_uri?: unknown }): string {
    if (issuer !== this.#issuer) throw new IssuerFault('the discovery document is for another issuer');
    if (typeof jwks_uri !== 'string' || !isTrustworthy(jwks_uri))
      throw new IssuerFault('the discovery document names no key set that could be trusted');
    return jwks_uri;
  }

  async #get(url: string): Promise<object> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    const { status, body } = await this.#deps.rest({ method: 'GET', url, signal });
    const { origin, pathname } = new URL(url);
    if (status !== 200) throw new IssuerFault(`${origin}${pathname} answered ${status}`);
    if (body.length > MAX_CHARACTERS) throw new IssuerFault(`${origin}${pathname} answered more than can be read`);
    const json = parsedOrNothing(body);
    if (typeof json !== 'object' || json === null)
      throw new IssuerFault(`${origin}${pathname} answered no JSON object`);
    return json;
  }

  #age(since: number): number {
    return this.#deps.clock.monotonic() - since;
  }

  #unavailable(): GatewayError {
    return unchecked("the signing keys of the token's issuer could not be had", PAUSE_MS / SECOND);
  }
}

/** The issuer answered, but not as it should. The message names nothing but its address. */
class IssuerFault extends Error {}

async function match(keys: LocalJWKSet, wanted: { alg: string; kid?: string }): Promise<CryptoKey | undefined> {
  const { errors } = await import('jose');
  try {
    return await keys(wanted);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined;
    if (error instanceof errors.JWKSMultipleMatchingKeys)
      throw unknownCaller("the token does not say which of its issuer's keys signed it");
    throw unknownCaller('the token names a key that cannot be used');
  }
}
