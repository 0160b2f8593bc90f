import type { Clock } from '../../contracts.js';
import { type Era, eraOf } from './era.js';
import { type Answer, type Asked, type Listening, listen } from './jsonServer.js';
import { type Fault, fault, INVALID_REQUEST, isFault, type Message, PARSE_ERROR, readMessage } from './message.js';
import { dress, serve, type ToolCall } from './methods.js';
import { ALGORITHM, AUDIENCE, type TokenService } from './tokenEndpoint.js';
import type { Claims, ToolContext } from './tools.js';

/** The claims of a good token; undefined for any other. */
type Verify = (token: string) => Promise<Claims | undefined>;

/**
 * Starts an MCP server at `/mcp` that lets in whoever shows a token of that service. It speaks 2026-07-28 and the
 * revisions of 2025, all without sessions: written by hand, since the SDK would take longer to load than all the rest.
 */
export async function startMcpServer(tokens: TokenService, clock: Clock): Promise<Listening> {
  const { jwtVerify } = await import('jose');
  const verify: Verify = async (token) => {
    const expected = { issuer: tokens.issuer, audience: AUDIENCE, algorithms: [ALGORITHM], requiredClaims: ['exp'] };
    try {
      const { payload } = await jwtVerify(token, tokens.keys, { ...expected, currentDate: new Date(clock.now()) });
      return payload;
    } catch {
      return undefined;
    }
  };
  return listen((asked) => answer(asked, verify, clock));
}

async function answer(asked: Asked, verify: Verify, clock: Clock): Promise<Answer> {
  if (asked.path !== '/mcp') return { status: 404, json: { error: 'not_found' } };
  const token = /^bearer +(\S+)$/i.exec(asked.header('authorization') ?? '')?.[1];
  const claims = token === undefined ? undefined : await verify(token);
  if (!claims) return unauthorized(token !== undefined);
  if (asked.method !== 'POST') return { status: 405, headers: { Allow: 'POST' } };
  const message = await read(asked);
  if (message === 'response') return { status: 202 };
  if (isFault(message)) return refuse(message);
  const era = eraOf(message, asked.header);
  if (message.id === undefined) return typeof era === 'string' ? { status: 202 } : refuse(era);
  if (typeof era !== 'string') return refuse(era, message.id);
  return perform({ ...message, id: message.id }, era, asked, { clock, left: asked.left, claims, progress: () => {} });
}

async function read(asked: Asked): Promise<Message | 'response' | Fault> {
  const type = asked.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return fault(415, INVALID_REQUEST, 'Content-Type must be application/json');
  const body = await asked.body();
  if (!body) return fault(413, INVALID_REQUEST, 'the body is larger than 1 MiB');
  if (body.length === 0) return fault(400, PARSE_ERROR, 'the body is empty');
  return readMessage(body);
}

type Request = Message & { readonly id: string | number };

async function perform(request: Request, era: Era, asked: Asked, context: ToolContext): Promise<Answer> {
  const served = serve(request, era);
  if (isFault(served)) return refuse(served, request.id);
  if ('result' in served) return { status: 200, json: respond(request, dress(served.result, era)) };
  const { call } = served;
  if (streams(call, asked)) return { status: 200, events: (send) => stream(send, request, era, call, context) };
  const result = await call.tool.call(call.arguments, context);
  return { status: 200, json: respond(request, dress({ ...result }, era)) };
}

/** Only who can hear progress, and has asked for it, gets an event stream. */
function streams(call: ToolCall, asked: Asked): boolean {
  const accepts = asked.header('accept')?.toLowerCase().includes('text/event-stream') ?? false;
  return call.tool.reports && call.progressToken !== undefined && accepts;
}

async function stream(
  send: (message: unknown) => void,
  request: Request,
  era: Era,
  call: ToolCall,
  context: ToolContext,
): Promise<void> {
  const { progressToken } = call;
  const progress = (done: number, total: number, message: string) => {
    const params = { progressToken, progress: done, total, message };
    send({ jsonrpc: '2.0', method: 'notifications/progress', params });
  };
  const result = await call.tool.call(call.arguments, { ...context, progress });
  send(respond(request, dress({ ...result }, era)));
}

function respond(request: Request, result: object): object {
  return { jsonrpc: '2.0', id: request.id, result };
}

function refuse({ status, code, message, data }: Fault, id?: string | number): Answer {
  const error = { code, message, ...(data ? { data } : {}) };
  return { status, json: { jsonrpc: '2.0', ...(id === undefined ? {} : { id }), error } };
}

/** RFC 6750 section 3.1: who has shown nothing isn't told that it was wrong. */
function unauthorized(shown: boolean): Answer {
  const reason = shown ? ', error="invalid_token", error_description="the token is expired or not for here"' : '';
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `Bearer realm="demo"${reason}` },
    json: { error: shown ? 'invalid_token' : 'unauthorized' },
  };
}
