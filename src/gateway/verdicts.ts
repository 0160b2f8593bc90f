import type { RouteTurn } from '../contracts/pools.js';
import type { Credential, Exchange, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import type { Health } from '../resilience/circuitBreaker.js';
import type { CallRules } from '../resilience/destinationSchema.js';
import { without } from '../wire/headers.js';

/** An answer, and what it was shown. */
export class Delivery {
  readonly reply: Reply;
  readonly credential: Credential | undefined;

  constructor(reply: Reply, credential: Credential | undefined) {
    this.reply = credential?.hides ? { ...reply, headers: without(reply.headers, credential.hides) } : reply;
    this.credential = credential;
  }
}

/** How one attempt ended. */
export type Result = Delivery | GatewayError;

/** What the table knows is a result; anything else is a fault of ours. */
export function asFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  throw error;
}

/** What the caller sent itself is the caller's to renew (contract: with no credential of ours in play, the 401 passes). */
export function isOurs(credential: Credential | undefined): credential is Credential {
  return credential !== undefined && credential.callers !== true;
}

export function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** True where nothing of the call reached the upstream. */
export function isNeverSent(result: Result): boolean {
  return result instanceof GatewayError && result.neverSent;
}

/** A missed first byte isn't repeated: the caller has waited for minutes, and would again. */
export function isTemporary(result: Result, { temporary }: CallRules): boolean {
  if (result instanceof Delivery) return temporary.has(result.reply.status);
  const { code, neverSent } = result;
  return code === 'UPSTREAM_BROKE' || code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_TIMEOUT' && neverSent);
}

/** What an operator says of a call comes first; then what its upstream knows. */
export function mayRepeat({ call, route }: Exchange, result: Result, { retry, repeats }: CallRules): boolean {
  if (isNeverSent(result)) return true;
  if (!call || !route) return retry.unsafe;
  const said = call.method === undefined ? undefined : repeats?.(call.method, call.name);
  return said ?? (retry.unsafe || route.upstream.safeToRepeat(call));
}

/** A caller's leaving says nothing about the upstream; neither does what we refused to send. */
export function health(result: Result, exchange: Exchange, { sick, timeouts }: CallRules): Health {
  if (exchange.gone) return 'neither';
  if (result instanceof Delivery) return sick.has(result.reply.status) ? 'bad' : 'good';
  if (result.code === 'UPSTREAM_TIMEOUT' && !result.neverSent && !timeouts) return 'neither';
  return result.code.startsWith('UPSTREAM_') && !result.ofCaller ? 'bad' : 'neither';
}

/** At a member of a pool it is the member that is judged first. */
export function judged(verdict: Health, result: Result, turn: RouteTurn<Reply> | undefined, ms: number): Health {
  if (!turn) return verdict;
  if (result instanceof GatewayError) turn.fail();
  return turn.judge(verdict, ms, isNeverSent(result));
}

export function describe(result: Result): string {
  return result instanceof Delivery ? String(result.reply.status) : result.code;
}
