import type { Clock, Exchange, Outcome } from '../contracts.js';
import type { GatewayError } from '../core/errors.js';

/** How an exchange ended, and why where it failed. */
export interface End {
  readonly outcome: Outcome;
  readonly status: number;
  readonly failure: GatewayError | undefined;
}

/** What a caller may write into our log by its names; enough for any honest one. */
const LONGEST = 200;

/** One exchange as the log keeps it. Milliseconds. Names only: no arguments, no headers, no bodies. */
export function accessRecord(exchange: Exchange, clock: Clock, address: string, end: End): Record<string, unknown> {
  const { call, costs, decision, request } = exchange;
  return {
    requestId: exchange.id,
    door: exchange.door,
    method: request.method,
    rpc: clip(call?.method),
    tool: call?.method === 'tools/call' ? clip(call.name) : undefined,
    destination: decision?.destination,
    strategy: decision?.strategy,
    status: end.status,
    code: end.failure?.code,
    reason: clip(reasonOf(end.failure)),
    outcome: end.outcome,
    ms: round(clock.monotonic() - exchange.startedAt),
    tokenMs: round(costs.tokenMs),
    upstreamMs: round(costs.upstreamMs),
    attempts: costs.attempts,
    traceId: traceId(request.header('traceparent')),
    address,
  };
}

/** The cause's own word, for the operator; callers get the table's. No cause holds a secret: credentials never stand in them. */
function reasonOf(failure: GatewayError | undefined): string | undefined {
  if (!failure) return undefined;
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message;
}

function clip(text: string | undefined): string | undefined {
  return text !== undefined && text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** The trace id of a W3C traceparent; undefined where the line isn't one. */
function traceId(traceparent: string | undefined): string | undefined {
  return traceparent === undefined
    ? undefined
    : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent)?.[1];
}
