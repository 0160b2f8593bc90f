import type { Verdict } from '../contracts/callers.js';
import type { Exchange, McpCall, RoutingDecision, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import type { PermissionPolicy } from '../policy/permissions.js';
import { parseCall } from '../wire/mcp.js';
import { answersWithList, filterReply, type MayUse } from './listFilter.js';
import { assertUnambiguous } from './unambiguous.js';

export interface AuthorizeDeps {
  readonly permissions: PermissionPolicy;
  /** The `WWW-Authenticate` lines that ask for a token with these scopes. */
  challenge(exchange: Exchange, scopes: readonly string[]): readonly string[];
}

const ALLOWED: Verdict = { allowed: true };

/** Each message of a batch is decided by itself; nobody honest sends more at once. */
const LARGEST_BATCH = 1_000;

/**
 * Comes before the body is read: to a caller who may not see it, a destination is one that nobody configured, whatever
 * else is wrong with the request.
 */
export function createConceal(permissions: PermissionPolicy): Stage {
  return function conceal(exchange, next) {
    if (exchange.decision) assertVisible(permissions, exchange, exchange.decision);
    return next(exchange);
  };
}

/**
 * Refuses what the caller may not do, by what the body says, and shortens lists to what it may use.
 * @throws GatewayError UNKNOWN_DESTINATION, NOT_PERMITTED, SCOPE_REQUIRED, INVALID_REQUEST
 */
export function createAuthorize({ permissions, challenge }: AuthorizeDeps): Stage {
  return function authorize(exchange, next) {
    const { decision, principal } = exchange;
    // Hooks and the management API select no destination, and have rules of their own.
    if (!decision && (exchange.door === 'hook' || exchange.door === 'admin')) return next(exchange);
    if (!decision) throw notPermitted();
    assertVisible(permissions, exchange, decision);
    const call = callOf(exchange, decision);
    const verdict = judge(permissions, exchange, decision.destination, call);
    if (!verdict.allowed) throw refusal(verdict, (scopes) => challenge(exchange, scopes));
    if (permissions.open || !answersWithList(call)) return next(exchange);
    const mayUse: MayUse = (method, name) => permissions.mayUse(principal, decision.destination, method, name);
    const reply = next(exchange);
    return reply instanceof Promise ? reply.then((late) => filterReply(late, mayUse)) : filterReply(reply, mayUse);
  };
}

function judge(permissions: PermissionPolicy, exchange: Exchange, destination: string, call: McpCall): Verdict {
  // Everything is allowed that the destination is: what the messages say makes no difference.
  if (permissions.open) return ALLOWED;
  assertUnambiguous(call);
  if (call.kind === 'batch') return decideBatch(permissions, exchange, destination, call);
  return permissions.decide(exchange.principal, destination, call);
}

/** In the very words of the interceptor: what may not be seen can't be told from what isn't there. */
function assertVisible(permissions: PermissionPolicy, exchange: Exchange, decision: RoutingDecision): void {
  if (permissions.sees(exchange.principal, decision.destination)) return;
  throw new GatewayError('UNKNOWN_DESTINATION', 'no destination has that name');
}

/** What the body says; a request to a website is judged by its method alone. */
function callOf({ call, request }: Exchange, { strategy }: RoutingDecision): McpCall {
  if (strategy === 'PASSTHROUGH')
    return { kind: 'request', era: 'legacy', method: `http/${request.method}`, body: null };
  if (!call) throw notPermitted();
  return call;
}

/** All or nothing: what the refused message was to prepare might be done by the others. */
function decideBatch(permissions: PermissionPolicy, exchange: Exchange, destination: string, batch: McpCall): Verdict {
  const messages: unknown = JSON.parse((batch.body as Buffer).toString());
  if (!Array.isArray(messages) || messages.length > LARGEST_BATCH)
    throw new GatewayError('INVALID_REQUEST', `the batch has more than ${LARGEST_BATCH} messages`);
  const needed = new Set<string>();
  for (const message of messages) {
    const call = parseCall(Buffer.from(JSON.stringify(message)), exchange.request);
    const verdict = permissions.decide(exchange.principal, destination, call);
    if (verdict.allowed) continue;
    if (!('scopes' in verdict)) return verdict;
    for (const scope of verdict.scopes) needed.add(scope);
  }
  return needed.size === 0 ? { allowed: true } : { allowed: false, scopes: [...needed] };
}

function refusal(verdict: Verdict & { allowed: false }, challenge: (scopes: readonly string[]) => readonly string[]) {
  if (!('scopes' in verdict)) return notPermitted();
  return new GatewayError('SCOPE_REQUIRED', 'the token lacks a scope that this call needs', {
    headers: challenge(verdict.scopes),
  });
}

function notPermitted(): GatewayError {
  return new GatewayError('NOT_PERMITTED', 'the caller may not do this');
}
