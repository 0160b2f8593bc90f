import type { Exchange, Inbound, Principal, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { saidTwice } from '../wire/headers.js';
import { splitTarget } from '../wire/paths.js';
import { type Challenge, routeName, stepUpLines, unknownLines } from './challenge.js';
import { MissingScopes, type Provider, unknownCaller } from './provider.js';

export interface IdentifyDeps {
  readonly challenge: Challenge;
  /** Told the address of every caller whose proof was missing or bad. */
  blame(address: string): void;
  /** Who called, behind the proxies that may say so; the socket's address where absent. */
  clientAddress?(socket: string, forwardedFor: string | undefined): string;
}

/**
 * Who calls: the first provider that recognises the request's proof decides alone and finally, so that a bad token never
 * falls through to something that asks for less. Without a promise where the provider makes none.
 */
export function createIdentify(providers: ReadonlyMap<string, Provider>, deps: IdentifyDeps): Stage {
  const ordered = [...providers.values()].sort((a, b) => Number(a.last ?? false) - Number(b.last ?? false));
  return function identify(exchange, next) {
    const { request } = exchange;
    const known = verify(ordered, exchange, deps);
    if (!isPromise(known)) {
      exchange.principal = meantForRoute(known, request, deps);
      return next(exchange);
    }
    return known.then(
      (principal) => {
        exchange.principal = meantForRoute(principal, request, deps);
        return next(exchange);
      },
      (error: unknown) => {
        throw explained(error, request, deps);
      },
    );
  };
}

function verify(
  providers: readonly Provider[],
  exchange: Exchange,
  deps: IdentifyDeps,
): Principal | Promise<Principal> {
  const { request } = exchange;
  try {
    assertOneProof(request);
    for (const provider of providers) {
      if (!provider.recognises(request)) continue;
      exchange.tokenIsOurs = provider.leavesTokens !== true;
      return provider.verify(request);
    }
    throw unknownCaller(
      carriesProof(request) ? 'nobody here knows that proof' : 'the request does not say who is calling',
    );
  } catch (error) {
    throw explained(error, request, deps);
  }
}

/**
 * A token for one route is no proof at another (RFC 8707): the challenge says where one for this route is to be had. By the path
 * alone, so that it is the same for a destination that isn't there.
 */
function meantForRoute(principal: Principal, request: Inbound, deps: IdentifyDeps): Principal {
  if (principal.byAudience !== true) return principal;
  const route = routeName(splitTarget(request.target)[0]);
  if (route === undefined || principal.destinations?.includes(route)) return principal;
  throw explained(unknownCaller('the token is meant for another route'), request, deps);
}

/** Of two proofs, each reader may believe another. */
function assertOneProof(request: Inbound): void {
  const token = request.header('authorization');
  const key = request.header('x-api-key');
  if (token === undefined && key === undefined) return;
  const lines = request.headerLines;
  if ((token !== undefined && key !== undefined) || saidTwice(lines, 'authorization') || saidTwice(lines, 'x-api-key'))
    throw unknownCaller('the request carries two proofs of who is calling: send one');
}

function carriesProof(request: Inbound): boolean {
  return request.header('authorization') !== undefined || request.header('x-api-key') !== undefined;
}

/** With the challenge that says what to do about it. */
function explained(error: unknown, request: Inbound, deps: IdentifyDeps): unknown {
  const { challenge } = deps;
  if (error instanceof MissingScopes) return withLines(error, stepUpLines(challenge, request, error.scopes));
  if (!(error instanceof GatewayError) || error.code !== 'CALLER_UNKNOWN') return error;
  const forwardedFor = request.header('x-forwarded-for');
  deps.blame(deps.clientAddress?.(request.remoteAddress, forwardedFor) ?? request.remoteAddress);
  return withLines(error, unknownLines(challenge, request, carriesProof(request)));
}

function withLines(error: GatewayError, headers: readonly string[]): GatewayError {
  return new GatewayError(error.code, error.message, { hint: error.hint, headers, cause: error.cause });
}

function isPromise(known: Principal | Promise<Principal>): known is Promise<Principal> {
  return known instanceof Promise;
}
