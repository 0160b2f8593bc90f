import type { AuditEntry } from '../contracts/callers.js';
import type { Principal } from '../contracts/principal.js';
import type { Exchange, Flow, Reply, Sink } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { saidTwice } from '../wire/headers.js';
import { splitTarget } from '../wire/paths.js';
import type { AdminDeps } from './admin.js';
import { mayUse } from './adminRoutes.js';
import {
  type AdminRoute,
  ANY,
  broken,
  type Caller,
  isText,
  NONE,
  type RawInput,
  type TextAnswer,
} from './adminSchema.js';

const MOST_BYTES = 64 * 1024;

type Knowing = Pick<AdminDeps, 'identify' | 'challenge'>;

/**
 * Who calls. Only what a script has to set by itself counts as proof: what a browser adds on its own, a cookie or a
 * certificate, would let any page call in its user's name.
 * @throws GatewayError CALLER_UNKNOWN with the challenge
 */
export async function identified(exchange: Exchange, deps: Knowing): Promise<Principal> {
  const { request } = exchange;
  const proof = request.header('authorization') ?? request.header('x-api-key');
  if (proof === undefined) throw unknown(exchange, deps, 'the call carries no token and no API key');
  try {
    const principal = await deps.identify?.(exchange);
    if (principal) return principal;
  } catch (error) {
    const known = error instanceof GatewayError && error.code === 'CALLER_UNKNOWN' && error.headers.length === 0;
    throw known ? unknown(exchange, deps, error.message) : error;
  }
  throw unknown(exchange, deps, 'the token or API key is not known');
}

function unknown(exchange: Exchange, deps: Knowing, message: string): GatewayError {
  return new GatewayError('CALLER_UNKNOWN', message, { headers: deps.challenge(exchange) });
}

/** Permission, input, the call, its trace: in this order. */
export async function callRoute(
  route: AdminRoute,
  exchange: Exchange,
  params: Readonly<Record<string, unknown>>,
  caller: Caller,
): Promise<Reply> {
  let input: RawInput = { params, query: {}, body: {} };
  try {
    if (!mayUse(caller, route)) throw notPermitted(route);
    input = { params, query: queryOf(exchange), body: await bodyOf(route, exchange) };
    const answer = await route.run(input, caller);
    trace(route, exchange, caller, { input, status: route.status ?? 200, target: targetOf(input, answer) });
    return isText(answer) ? textReply(answer, exchange) : jsonReply(route.status ?? 200, answer, exchange);
  } catch (error) {
    const { status, code } = error instanceof GatewayError ? error : { status: 500, code: 'INTERNAL' };
    trace(route, exchange, caller, { input, status, code, target: targetOf(input, undefined) });
    throw error;
  }
}

function notPermitted({ permission }: AdminRoute): GatewayError {
  return new GatewayError('NOT_PERMITTED', 'you may not do this', {
    hint: permission === ANY ? 'It takes a permission of this API.' : `It takes the permission ${permission}.`,
  });
}

interface Trace {
  readonly input: RawInput;
  readonly status: number;
  readonly code?: string;
  readonly target: string | undefined;
}

/** Every change, and every try at one, stands in the audit log; what was changed is told as a signal too. */
function trace(route: AdminRoute, exchange: Exchange, { deps, principal }: Caller, done: Trace): void {
  if (route.method === 'get') return;
  const { subject, tenant } = principal;
  const { status, target } = done;
  deps.audit?.append({
    at: deps.clock.now(),
    requestId: exchange.id,
    action: `admin.${route.operation}`,
    subject,
    tenant,
    address: deps.address?.(exchange) ?? exchange.request.remoteAddress,
    destination: undefined,
    method: exchange.request.method,
    name: target,
    argumentNames: namesOf(done.input.body),
    outcome: outcomeOf(status),
    status,
    code: done.code,
  });
  if (status >= 300) return;
  deps.signals.emit('admin.changed', { requestId: exchange.id, operation: route.operation, subject, tenant, target });
}

function outcomeOf(status: number): AuditEntry['outcome'] {
  if (status < 300) return 'allowed';
  return status < 500 ? 'refused' : 'failed';
}

const MOST_NAMES = 20;
const LONGEST_NAME = 64;

function namesOf(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.keys(body)
    .slice(0, MOST_NAMES)
    .map((name) => name.slice(0, LONGEST_NAME));
}

/** What the call was about: the id or name in its path or body, and the part of it; or the id of what it made. */
function targetOf({ params, body }: RawInput, answer: unknown): string | undefined {
  const { record } = (answer ?? {}) as { record?: unknown };
  const found = [record, params, body].flatMap((source) => {
    const { id, name } = (source ?? {}) as { id?: unknown; name?: unknown };
    return [id, name].filter((value) => typeof value === 'string');
  });
  const { tool, category } = (body ?? {}) as { tool?: unknown; category?: unknown };
  const part = typeof tool === 'string' ? tool : typeof category === 'string' ? `${category}.*` : undefined;
  return (part === undefined ? found[0] : `${found[0]}/${part}`)?.slice(0, 256);
}

/** Each name once; a name said twice would be read differently by different readers. */
function queryOf(exchange: Exchange): Readonly<Record<string, string>> {
  const [, query = ''] = splitTarget(exchange.request.target);
  const pairs = [...new URLSearchParams(query)];
  if (new Set(pairs.map(([name]) => name)).size !== pairs.length) throw broken('the query says a name twice');
  if (pairs.some(([name]) => name === '__proto__')) throw broken('the query holds a name that is not allowed');
  return Object.fromEntries(pairs);
}

/** @throws GatewayError for a body that isn't a JSON object in UTF-8 of at most 64 KiB, or that the route doesn't take */
async function bodyOf(route: AdminRoute, { request }: Exchange): Promise<unknown> {
  const length = Number(request.header('content-length') ?? 0);
  if (length === 0 && request.header('transfer-encoding') === undefined) return {};
  if (route.body === NONE) throw broken('the call takes no body');
  const type = request.header('content-type') ?? '';
  const json = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(type);
  if (!json || saidTwice(request.headerLines, 'content-type') || request.header('content-encoding') !== undefined) {
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the body is not plain application/json');
  }
  if (length > MOST_BYTES) throw tooLarge();
  return request.body(MOST_BYTES, parse).catch((error: unknown) => {
    throw error instanceof GatewayError && error.code === 'BODY_TOO_LARGE' ? tooLarge() : error;
  });
}

function tooLarge(): GatewayError {
  return new GatewayError('BODY_TOO_LARGE', `the body is larger than ${MOST_BYTES} bytes`, { hint: 'Send less.' });
}

function parse(bytes: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), withoutPrototypes);
  } catch (error) {
    throw error instanceof GatewayError ? error : broken('the body is not JSON in UTF-8');
  }
  if (!isObject(value)) throw broken('the body is not an object');
  return value;
}

function withoutPrototypes(name: string, value: unknown): unknown {
  if (name === '__proto__') throw broken('the body holds a name that is not allowed');
  return value;
}

function jsonReply(status: number, answer: unknown, exchange: Exchange): Reply {
  const body = Buffer.from(JSON.stringify(answer));
  const headers = ['content-type', 'application/json', 'content-length', String(body.length)];
  return { status, headers: [...headers, 'x-request-id', exchange.id], body, origin: 'gateway' };
}

const EVENT_STREAM = 'text/event-stream';
/** nginx would keep events back otherwise. */
const NOT_BUFFERED = ['x-accel-buffering', 'no'];
const AS_FILE = ['content-disposition', 'attachment'];

async function textReply({ mediaType, pieces }: TextAnswer, exchange: Exchange): Promise<Reply> {
  const iterator = pieces[Symbol.asyncIterator]();
  // A failure before the first piece is still answered as one.
  const first = await iterator.next();
  const more = mediaType === EVENT_STREAM ? NOT_BUFFERED : AS_FILE;
  const headers = ['content-type', mediaType, ...more, 'x-request-id', exchange.id];
  return { status: 200, headers, body: (sink) => pump(first, iterator, sink, exchange), origin: 'gateway' };
}

/** Writes the pieces as fast as the caller takes them. */
function pump(first: IteratorResult<string>, iterator: AsyncIterator<string>, sink: Sink, exchange: Exchange): Flow {
  let proceed: (() => void) | undefined;
  let over = false;
  const flow = {
    resume: () => proceed?.(),
    cancel: () => {
      over = true;
      proceed?.();
      // What waits for its next piece need not wait for it any longer.
      iterator.return?.().catch(() => {});
    },
  };
  const run = async () => {
    for (let step = first; !step.done && !over; step = await iterator.next()) {
      if (step.value !== '' && !sink.write(Buffer.from(step.value))) {
        await new Promise<void>((resolve) => {
          proceed = resolve;
        });
      }
    }
    if (over) await iterator.return?.();
    else sink.end();
  };
  exchange.held = flow;
  run().catch((error: unknown) => sink.fail(error instanceof Error ? error : new Error(String(error))));
  return flow;
}
