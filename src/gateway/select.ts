import type { Exchange, McpCall, Reply, Stage, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { INVALID_PARAMS } from '../core/jsonRpc.js';
import { answersWithList, filterReply, type MayUse } from './listFilter.js';
import { assertUnambiguous } from './unambiguous.js';

type Offers = NonNullable<Upstream['offers']>;

const USE = 'tools/call';

/**
 * Shows of a destination what it offers: other tools are in no list, and whoever calls one is told that there is no such
 * tool. Only there where some destination says `include` or `exclude`.
 * @throws GatewayError INVALID_REQUEST for a batch that calls such a tool, or a body that names it in two ways
 */
export function createSelect(): Stage {
  return function select(exchange, next) {
    const { call, route } = exchange;
    const offers = route?.upstream.offers;
    if (!offers || !call) return next(exchange);
    const refused = refusal(exchange, call, offers);
    if (refused) return refused;
    if (!answersWithList(call)) return next(exchange);
    const mayUse: MayUse = (method, name) => method !== USE || offers(name);
    const reply = next(exchange);
    return reply instanceof Promise ? reply.then((late) => filterReply(late, mayUse)) : filterReply(reply, mayUse);
  };
}

function refusal(exchange: Exchange, call: McpCall, offers: Offers): Reply | undefined {
  if (call.kind === 'batch') assertOffered(call, offers);
  if (call.method !== USE) return undefined;
  assertUnambiguous(call);
  if (call.name !== undefined && offers(call.name)) return undefined;
  return unknownTool(exchange, call);
}

/** All or nothing, as with permissions. */
function assertOffered(batch: McpCall, offers: Offers): void {
  assertUnambiguous(batch);
  const messages = JSON.parse((batch.body as Buffer).toString()) as { method?: unknown; params?: { name?: unknown } }[];
  for (const { method, params } of messages) {
    const name = params?.name;
    if (method !== USE || (typeof name === 'string' && offers(name))) continue;
    throw new GatewayError('INVALID_REQUEST', 'a message of the batch calls an unknown tool', {
      hint: 'Call tools that tools/list shows.',
    });
  }
}

function unknownTool({ id: requestId }: Exchange, { id, name }: McpCall): Reply {
  const headers = ['x-request-id', requestId];
  // A notification gets no answer, whatever it says.
  if (id === undefined)
    return { status: 202, headers: ['content-length', '0', ...headers], body: null, origin: 'gateway' };
  // MCP, Tools: so is a tool answered for that isn't there.
  const error = { code: INVALID_PARAMS, message: `Unknown tool: ${name ?? ''}` };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, error }));
  const lines = ['content-type', 'application/json', 'content-length', String(body.length), ...headers];
  return { status: 200, headers: lines, body, origin: 'gateway' };
}
