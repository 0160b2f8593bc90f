import type { Clock, Exchange, Outcome } from '../contracts.js';

/** What a caller may write into our log by its names; enough for any honest one. */
const LONGEST = 200;

/** One exchange as the log keeps it. Milliseconds. Names only: no arguments, no headers, no bodies. */
export function accessRecord(
  exchange: Exchange,
  clock: Clock,
  address: string,
  outcome: Outcome,
  status: number,
): Record<string, unknown> {
  const { call, costs, decision, failure, request } = exchange;
  return {
    requestId: exchange.id,
    door: exchange.door,
    method: request.method,
    rpc: clip(call?.method),
    tool: call?.method === 'tools/call' ? clip(call.name) : undefined,
    destination: decision?.destination,
    strategy: decision?.strategy,
    status,
    code: failure?.code,
    reason: clip(reasonOf(failure)),
    outcome,
    ms: round(clock.monotonic() - exchange.startedAt),
    tokenMs: round(costs.tokenMs),
    upstreamMs: round(costs.upstreamMs),
    attempts: costs.attempts,
    traceId: traceIdOf(exchange),
    address,
  };
}

/** The cause's own word, for the operator; callers get the table's. No cause holds a secret: credentials never stand in them. */
function reasonOf(failure: Exchange['failure']): string | undefined {
  if (!failure) return undefined;
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message;
}

function clip(text: string | undefined): string | undefined {
  return text !== undefined && text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** Of the trace that an exchange belongs to: ours, else what its caller said; undefined where nobody said anything that is one. */
export function traceIdOf({ trace, request, call }: Exchange): string | undefined {
  if (trace) return trace.traceId;
  const told = request.header('traceparent') ?? call?.trace?.traceparent;
  return told === undefined ? undefined : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(told)?.[1];
}
