import * as z from 'zod';
import type { IdentityDeps, IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Kind, Principal } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { CallerProof } from '../core/callerProof.js';
import { RestError } from '../core/restError.js';
import { flag, integer, secret } from '../core/schema.js';
import { looksLikeKey } from './apiKeyFormat.js';
import { audiences, audiencesOf, type Claims, claimOptions, isKeyBound, principalOf } from './claims.js';
import { askGitHub, askRfc7662, IntrospectionFault, type Question } from './introspectionCalls.js';
import { issuerUrl, trustworthyUrl } from './issuerUrl.js';
import { assertScopes, bearerToken, looksLikeJwt, type Provider, unchecked, unknownCaller } from './provider.js';
import { fingerprint, TokenCache } from './tokenCache.js';

const options = z.strictObject({
  /** Who is asked, and in which words. */
  provider: z.enum(['rfc7662', 'github']).default('rfc7662'),
  /** The introspection endpoint; for GitHub, its REST interface. */
  url: trustworthyUrl(),
  /** What we prove ourselves with: Basic. */
  clientId: z.string().min(1),
  clientSecret: secret(),
  /** Who issues the tokens, for callers that have none yet. */
  issuer: issuerUrl().optional(),
  /** Whom tokens must be meant for: one of these. */
  audience: audiences().optional(),
  /** How long an answer is believed, unless the token ends before. */
  cacheSeconds: integer(0, 3600).default(60),
  /** Also tokens that look like JWTs, and that no `jwt` entry before this one took. */
  acceptJwt: flag().default(false),
  ...claimOptions,
});

type Options = z.infer<typeof options>;

/** Tokens that only their issuer can read (RFC 7662). */
const kind: Kind<IdentityProvider, Options, IdentityDeps> = {
  options,
  create: (given, deps) => new Introspection(given, deps),
};

export default kind;

const MOST_GOOD = 10_000;
const MOST_BAD = 2000;
const BAD_FOR_MS = 10_000;

/** Made-up tokens can't make us ask more than this at a time. */
const MOST_ASKING = 64;
const ANSWER_WITHIN_MS = 5000;

/** After a failure, before the next question. */
const PAUSE_MS = 2000;

class Introspection implements Provider {
  readonly authorizationServers: readonly string[];
  readonly requiredScopes: readonly string[];
  readonly #given: Options;
  readonly #deps: IdentityDeps;
  readonly #good = new TokenCache<Principal>(MOST_GOOD);
  readonly #bad = new TokenCache<string>(MOST_BAD);
  readonly #running = new SingleFlight<Principal>();
  readonly #closing = new AbortController();
  #asking = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(given: Options, deps: IdentityDeps) {
    this.authorizationServers = given.issuer === undefined ? [] : [given.issuer];
    this.requiredScopes = given.requiredScopes;
    this.#given = given;
    this.#deps = deps;
  }

  recognises(request: Inbound): boolean {
    const token = bearerToken(request);
    return token !== undefined && !looksLikeKey(token) && (this.#given.acceptJwt || !looksLikeJwt(token));
  }

  verify(request: Inbound): Principal | Promise<Principal> {
    const token = bearerToken(request) ?? '';
    const key = fingerprint(token);
    const now = this.#deps.clock.now();
    const known = this.#good.get(key, now);
    if (known) {
      assertScopes(known, this.requiredScopes);
      return known;
    }
    const fault = this.#bad.get(key, now);
    if (fault !== undefined) throw unknownCaller(fault);
    return this.#running.run(key, () => this.#verify(token, key));
  }

  close(): void {
    this.#closing.abort();
  }

  async #verify(token: string, key: string): Promise<Principal> {
    const claims = await this.#ask(token);
    const now = this.#deps.clock.now();
    const fault = claims ? this.#fault(claims, now) : 'the token is unknown, expired or revoked';
    if (!claims || fault !== undefined) {
      this.#bad.set(key, fault ?? '', now + BAD_FOR_MS);
      throw unknownCaller(fault ?? '');
    }
    const proof = new CallerProof(token, key, claims.exp);
    const principal = Object.freeze({ ...principalOf(this.#deps.name, claims, this.#given), proof });
    const end = typeof claims.exp === 'number' ? claims.exp * 1000 : Number.POSITIVE_INFINITY;
    const until = Math.min(end, now + this.#given.cacheSeconds * 1000);
    if (until > now) this.#good.set(key, principal, until);
    assertScopes(principal, this.requiredScopes);
    return principal;
  }

  /** What is wrong with an active token, all the same. `now` is epoch milliseconds. */
  #fault(claims: Claims, now: number): string | undefined {
    const { exp, nbf, iss, token_type, typ } = claims;
    if (exp !== undefined && (typeof exp !== 'number' || exp * 1000 <= now)) return 'the token has expired';
    if (typeof nbf === 'number' && nbf * 1000 > now) return 'the token is not valid yet';
    if (iss !== undefined && this.#given.issuer !== undefined && iss !== this.#given.issuer)
      return 'the token is from another issuer';
    // A refresh token is active too.
    if ((token_type !== undefined && !says(token_type, /^bearer$/i)) || says(typ, NO_ACCESS) || isKeyBound(claims))
      return 'the token is of a sort that gives no access';
    const { audience } = this.#given;
    if (audience && !audiencesOf(claims).some((one) => audience.includes(one)))
      return 'the token is meant for another audience';
    return undefined;
  }

  /** What the issuer says of it; undefined where it knows no such token. */
  async #ask(token: string): Promise<Claims | undefined> {
    const now = this.#deps.clock.monotonic();
    if (now < this.#pausedUntil) throw unchecked('the issuer of the token could not be asked', 2);
    if (this.#asking >= MOST_ASKING) throw unchecked('too many tokens are being checked', 1);
    this.#asking += 1;
    try {
      return await ASK[this.#given.provider](this.#question(token));
    } catch (error) {
      this.#pausedUntil = this.#deps.clock.monotonic() + PAUSE_MS;
      const reason = error instanceof RestError || error instanceof IntrospectionFault ? error.message : 'unknown';
      this.#deps.signals.emit('identity.unavailable', { identity: this.#deps.name, reason });
      throw unchecked('the issuer of the token could not be asked', 2);
    } finally {
      this.#asking -= 1;
    }
  }

  #question(token: string): Question {
    const { url, clientId, clientSecret } = this.#given;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    return { token, url, clientId, clientSecret, signal, rest: this.#deps.rest };
  }
}

const ASK = { rfc7662: askRfc7662, github: askGitHub };

/** What Keycloak says of tokens that are not for servers. */
const NO_ACCESS = /^(?:refresh|offline|id)$/i;

function says(value: unknown, words: RegExp): boolean {
  return typeof value === 'string' && words.test(value);
}
