import type { McpCall, Reply } from '../contracts.js';
import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { brokenRule, unspoken } from '../wire/envelope.js';
import { jsonReply } from '../wire/messages.js';
import type { Failure, Json } from './federationCalls.js';

/** Under which an answer names the members that it lacks, or shows as they were: `[{member, code, stale?}]`. */
export const UNAVAILABLE_KEY = 'io.mcp-drawbridge/unavailable';
const SERVER_INFO_KEY = 'io.modelcontextprotocol/serverInfo';

/** By which a member says that it knows no such method. */
export const NO_SUCH_METHOD = `RPC ${METHOD_NOT_FOUND}`;

/** A member that an answer lacks. */
export interface Unavailable {
  readonly member: string;
  readonly code: string;
  /** True where what it said before stands in its place. */
  readonly stale?: true;
}

export function unavailable(member: string, { code }: Failure, stale = false): Unavailable {
  return { member, code, ...(stale ? { stale: true as const } : {}) };
}

/** A whole result of the federation's own. */
export function resultReply(call: McpCall, name: string, result: Json, lacking: readonly Unavailable[] = []): Reply {
  const _meta = {
    [SERVER_INFO_KEY]: { name, version: '1' },
    ...(lacking.length === 0 ? {} : { [UNAVAILABLE_KEY]: lacking }),
  };
  return jsonReply({ jsonrpc: '2.0', id: call.id, result: { resultType: 'complete', ...result, _meta } });
}

function errorReply(call: McpCall, status: number, error: Json): Reply {
  return jsonReply({ jsonrpc: '2.0', id: call.id, error }, [], status);
}

/** A tool, prompt, resource or cursor that isn't there; whether it is or the caller may not see it can't be told apart. */
export function unknownThing(call: McpCall, what: string): Reply {
  return errorReply(call, 200, { code: INVALID_PARAMS, message: what });
}

/** 2026-07-28, Streamable HTTP: a method that isn't there is a 404. */
export function unknownMethod(call: McpCall): Reply {
  return errorReply(call, 404, { code: METHOD_NOT_FOUND, message: 'Method not found' });
}

/** What is wrong with a request's envelope (2026-07-28, `_meta`); undefined where nothing is. */
export function envelopeFault(call: McpCall, params: Json): Reply | undefined {
  // Who begins as before doesn't know better; in an envelope of 2026-07-28, `initialize` is a method that isn't there.
  const isOld = call.revision === undefined && call.method === 'initialize';
  const broken = isOld ? unspoken(params.protocolVersion) : brokenRule(call, params);
  return broken && errorReply(call, broken.status, broken.error);
}
