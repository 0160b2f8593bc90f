import type { JWTPayload } from 'jose';
import * as z from 'zod';
import type { IdentityDeps, IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Kind, Principal } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { CallerProof } from '../core/callerProof.js';
import { ConfigError, GatewayError } from '../core/errors.js';
import { integer } from '../core/schema.js';
import { audiences, audiencesOf, claimOptions, principalOf } from './claims.js';
import { IssuerKeys } from './issuerKeys.js';
import { issuerUrl, trustworthyUrl } from './issuerUrl.js';
import { type AudienceRule, listedAudience, publicAudience } from './jwtAudience.js';
import { type Expected, partOf, refuseEarly } from './jwtHead.js';
import { assertScopes, bearerToken, looksLikeJwt, type Provider, unknownCaller } from './provider.js';
import { fingerprint, TokenCache } from './tokenCache.js';

/** Asymmetric ones only (RFC 8725 section 3.2). */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const options = z.strictObject({
  /** The `iss` of its tokens, letter by letter; keys are discovered from it. */
  issuer: issuerUrl(),
  /** Whom tokens must be meant for: one of these. */
  audience: audiences().optional(),
  /** Where the keys are, for an issuer without discovery. */
  jwksUri: trustworthyUrl().optional(),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default([...ALGORITHMS]),
  /** How far clocks may differ. */
  clockSkewSeconds: integer(0, 300).default(30),
  ...claimOptions,
});

type Options = z.infer<typeof options>;

/** Signed access tokens (RFC 9068) of one issuer. */
const kind: Kind<IdentityProvider, Options, IdentityDeps> = {
  options,
  create: (given, deps) => new JwtProvider(given, deps),
};

export default kind;

const MOST_GOOD = 10_000;
const MOST_BAD = 2000;

/** A verdict is looked at anew after this, so that keys which the issuer withdrew end before the tokens do. */
const TRUSTED_FOR_MS = 15 * 60_000;
const BAD_FOR_MS = 10_000;

/** What a request carries, looked at once for both questions. */
interface Shown {
  /** The whole line: what a good token is remembered by. Whoever reads this memory reads the requests themselves, too. */
  readonly line: string;
  readonly request: Inbound;
  readonly token: string;
  readonly key: string;
  readonly known: Principal | undefined;
}

class JwtProvider implements Provider {
  readonly authorizationServers: readonly string[];
  readonly requiredScopes: readonly string[];
  readonly #given: Options;
  readonly #deps: IdentityDeps;
  readonly #audience: AudienceRule;
  readonly #expected: Expected;
  readonly #keys: IssuerKeys;
  readonly #good = new TokenCache<Principal>(MOST_GOOD);
  /** Apart from the good ones, so that a flood of bad tokens pushes none of those out. */
  readonly #bad = new TokenCache<string>(MOST_BAD);
  readonly #verifying = new SingleFlight<Principal>();
  #shown: Shown | undefined;

  constructor(given: Options, deps: IdentityDeps) {
    const audience = audienceRule(given, deps);
    this.authorizationServers = [given.issuer];
    this.requiredScopes = given.requiredScopes;
    this.#given = given;
    this.#deps = deps;
    this.#audience = audience;
    this.#expected = {
      issuer: given.issuer,
      algorithms: given.algorithms,
      skewSeconds: given.clockSkewSeconds,
      audience: (audiences) => audience(audiences) !== null,
    };
    this.#keys = new IssuerKeys(given.issuer, given.jwksUri, deps);
  }

  /** By the issuer that it names: a token of another one is for another entry to judge. */
  recognises(request: Inbound): boolean {
    this.#shown = this.#look(request);
    return this.#shown !== undefined;
  }

  verify(request: Inbound): Principal | Promise<Principal> {
    const shown = this.#shown?.request === request ? this.#shown : this.#look(request);
    this.#shown = undefined;
    if (!shown) throw unknownCaller('the request has no token of this issuer');
    const { line, token, key, known } = shown;
    if (known) {
      assertScopes(known, this.requiredScopes);
      return known;
    }
    const now = this.#deps.clock.now();
    const fault = this.#bad.get(key, now);
    if (fault !== undefined) throw unknownCaller(fault);
    refuseEarly({ header: partOf(token, 0) ?? {}, claims: partOf(token, 1) ?? {} }, this.#expected, now);
    return this.#verifying.run(key, () => this.#verify(line, token, key));
  }

  close(): void {
    this.#keys.close();
  }

  #look(request: Inbound): Shown | undefined {
    const line = request.header('authorization');
    if (line === undefined) return undefined;
    const known = this.#good.get(line, this.#deps.clock.now());
    if (known) return { request, line, token: '', key: '', known };
    const token = bearerToken(request);
    if (token === undefined || !looksLikeJwt(token) || partOf(token, 1)?.iss !== this.#given.issuer) return undefined;
    return { request, line, token, key: fingerprint(token), known };
  }

  async #verify(line: string, token: string, key: string): Promise<Principal> {
    const claims = await this.#claims(token, key);
    const now = this.#deps.clock.now();
    const confined = this.#audience(audiencesOf(claims));
    if (confined === null) throw unknownCaller('the token is meant for another audience');
    const principal = principalOf(this.#deps.name, claims, this.#given);
    const proof = new CallerProof(token, key, claims.exp);
    const whole = Object.freeze({
      ...principal,
      proof,
      ...(confined ? { destinations: confined, byAudience: true as const } : {}),
    });
    const end = ((claims.exp as number) + this.#given.clockSkewSeconds) * 1000;
    this.#good.set(line, whole, Math.min(end, now + TRUSTED_FOR_MS));
    assertScopes(whole, this.requiredScopes);
    return whole;
  }

  /** Signature and claims, by jose. What it throws holds claims, so that only its sort is told. */
  async #claims(token: string, key: string): Promise<JWTPayload> {
    const { errors, jwtVerify } = await import('jose');
    try {
      const { payload } = await jwtVerify(token, this.#keys.find, {
        issuer: this.#given.issuer,
        algorithms: [...this.#given.algorithms],
        clockTolerance: this.#given.clockSkewSeconds,
        currentDate: new Date(this.#deps.clock.now()),
        requiredClaims: ['exp', 'aud'],
      });
      return payload;
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      if (!(error instanceof errors.JOSEError)) throw new GatewayError('INTERNAL', 'the token could not be checked');
      const message = error instanceof errors.JWTExpired ? 'the token has expired' : 'the token is not valid';
      if (error instanceof errors.JWSSignatureVerificationFailed)
        this.#bad.set(key, message, this.#deps.clock.now() + BAD_FOR_MS);
      throw unknownCaller(message);
    }
  }
}

function audienceRule(given: Options, deps: IdentityDeps): AudienceRule {
  if (given.audience) return listedAudience(given.audience);
  if (deps.publicUrl) return publicAudience(deps.publicUrl);
  throw new ConfigError([
    {
      file: 'configuration',
      path: `identity.${deps.name}.audience`,
      message: 'is required where server.publicUrl is not set: a token for somebody else must not serve here',
      severity: 'fault',
    },
  ]);
}
