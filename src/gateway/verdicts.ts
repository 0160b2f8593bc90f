import type { RouteTurn } from '../contracts/pools.js';
import type { Credential, Ending, Exchange, Judgement, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import type { Health } from '../resilience/circuitBreaker.js';
import type { CallRules } from '../resilience/destinationSchema.js';
import { headerValue, without } from '../wire/headers.js';
import { jsonOf } from '../wire/peek.js';

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

/** Of what says nothing about the server nobody has rules. */
const UNJUDGED: Judgement = {};

/** What rules of a kind say of a result. */
function ownJudgement(result: Result, exchange: Exchange, { own }: CallRules): Judgement {
  if (!own || exchange.gone || (result instanceof GatewayError && !isServers(result))) return UNJUDGED;
  return own.judge(result, () => endingOf(result, exchange, own.readBytes));
}

function endingOf(result: Result, { call }: Exchange, readBytes: number): Ending {
  const { method, name } = call ?? {};
  const called = { ...(method === undefined ? {} : { method }), ...(name === undefined ? {} : { name }) };
  if (result instanceof GatewayError) {
    return { ...called, failure: result.code, neverSent: result.neverSent, header: () => undefined };
  }
  const { status, headers } = result.reply;
  const body = jsonOf(result.reply, readBytes);
  const header = (name: string) => headerValue(headers, name);
  return { ...called, status, header, neverSent: false, ...(body ? { body } : {}) };
}

/** True where the server failed, and not we or the caller. */
function isServers({ code, ofCaller }: GatewayError): boolean {
  return code.startsWith('UPSTREAM_') && !ofCaller;
}

/** A missed first byte isn't repeated: the caller has waited for minutes, and would again. */
export function isTemporary(result: Result, exchange: Exchange, rules: CallRules): boolean {
  return ownJudgement(result, exchange, rules).temporary ?? isTemporaryToAll(result, rules);
}

function isTemporaryToAll(result: Result, { temporary }: CallRules): boolean {
  if (result instanceof Delivery) return temporary.has(result.reply.status);
  const { code, neverSent } = result;
  return code === 'UPSTREAM_BROKE' || code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_TIMEOUT' && neverSent);
}

/** What an operator says of a call comes first; then what its upstream knows. */
export function mayRepeat({ call, route }: Exchange, result: Result, { retry, repeats, own }: CallRules): boolean {
  if (isNeverSent(result)) return true;
  if (!call || !route) return retry.unsafe;
  const { method, name } = call;
  const said = method === undefined ? undefined : (repeats?.(method, name) ?? own?.mayRepeat(method, name));
  return said ?? (retry.unsafe || route.upstream.safeToRepeat(call));
}

/** A caller's leaving says nothing about the upstream; neither does what we refused to send. */
export function health(result: Result, exchange: Exchange, rules: CallRules): Health {
  if (exchange.gone) return 'neither';
  return ownJudgement(result, exchange, rules).health ?? healthToAll(result, rules);
}

function healthToAll(result: Result, { sick, timeouts }: CallRules): Health {
  if (result instanceof Delivery) return sick.has(result.reply.status) ? 'bad' : 'good';
  if (result.code === 'UPSTREAM_TIMEOUT' && !result.neverSent && !timeouts) return 'neither';
  return isServers(result) ? 'bad' : 'neither';
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
