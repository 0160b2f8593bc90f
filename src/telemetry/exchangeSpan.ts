import type { Attributes } from '../contracts/tracing.js';
import type { Exchange, McpCall, Outcome } from '../contracts.js';

/** What a caller may write into a trace by its names. */
const LONGEST = 200;

/** `tools/call search`: the method and what it is about, as OpenTelemetry's MCP conventions name spans; the HTTP method for what carries no message. */
export function spanName({ call, request }: Exchange): string {
  const { method } = call ?? {};
  if (method === undefined) return clip(request.method);
  const about = aboutOf(call);
  return about === undefined ? clip(method) : `${clip(method)} ${clip(about)}`;
}

/** What a message is about, by the conventions' names. No argument, no URI, no secret, nobody's name. */
export function callAttributes(call: McpCall | undefined): Attributes {
  if (call?.method === undefined) return {};
  const about = aboutOf(call);
  const tool = call.method === 'tools/call' && about !== undefined;
  return {
    'mcp.method.name': clip(call.method),
    'mcp.protocol.version': call.revision === undefined ? undefined : clip(call.revision),
    ...(tool ? { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': clip(about) } : {}),
    ...(!tool && about !== undefined ? { 'gen_ai.prompt.name': clip(about) } : {}),
  };
}

export function exchangeAttributes(exchange: Exchange, outcome: Outcome, status: number): Attributes {
  const { call, costs, decision, door, failure, id, request } = exchange;
  return {
    ...callAttributes(call),
    'jsonrpc.request.id': call?.id === undefined ? undefined : clip(String(call.id)),
    'http.request.method': request.method,
    'http.response.status_code': status,
    'error.type': failure?.code ?? exchangeFault(exchange, outcome, status),
    'drawbridge.request_id': id,
    'drawbridge.door': door,
    'drawbridge.destination': decision?.destination,
    'drawbridge.strategy': decision?.strategy,
    'drawbridge.outcome': outcome,
    'drawbridge.attempts': costs.attempts,
  };
}

/** What went wrong on our side or behind us, in a word of few; a caller's own fault is none. */
export function exchangeFault({ failure }: Exchange, outcome: Outcome, status: number): string | undefined {
  if (outcome === 'upstream-broke') return failure?.code ?? outcome;
  return status >= 500 ? (failure?.code ?? String(status)) : undefined;
}

/** Tools and prompts have names; a resource's URI may say more than a trace should. */
function aboutOf(call: McpCall | undefined): string | undefined {
  return call?.method === 'tools/call' || call?.method === 'prompts/get' ? call.name : undefined;
}

function clip(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
