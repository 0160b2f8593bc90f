import { createHash } from 'node:crypto';
import type { Clock, Exchange, Handler, McpCall, Reply } from '../contracts.js';
import { unlessAborted } from '../core/async.js';
import { GatewayError, LoginRequired } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import { declaresUrls } from '../wire/urlElicitation.js';

export interface AskingDeps {
  readonly clock: Clock;
  readonly seal: Seal;
}

/** URLElicitationRequiredError (2025-11-25, Elicitation); 2026-07-28 has it no more. */
const URL_ELICITATION_REQUIRED = -32042;
/** What a result may ask for input by (2026-07-28, Multi Round-Trip Requests). */
const ASKS = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** Our own `requestState`, and no server's. */
const MARK = 'drawbridge-login.';
/** The one question in `inputRequests`. */
const KEY = 'login';
/** How long a repeated call waits for the person: shorter than any client waits for an answer. Milliseconds. */
const PATIENCE_MS = 25_000;
/** How long a question stays good. Milliseconds. */
const GOOD_MS = 15 * 60_000;

/**
 * Where a person must log in first, clients that can show an address are asked to, in the protocol's own way: by an error
 * until 2025-11-25, by a result since 2026-07-28, whose repetition waits until the person is back. All others get the error.
 */
export function askingForLogins(terminal: Handler, deps: AskingDeps): Handler {
  return (exchange) => {
    const returned = exchange.call?.body?.includes(MARK) ? takeReturned(exchange, deps) : undefined;
    const reply = terminal(exchange);
    if (!(reply instanceof Promise)) return reply;
    const until = deps.clock.monotonic() + (returned === 'waits' ? PATIENCE_MS : 0);
    return reply.catch((error: unknown) => settle(error, { exchange, terminal, until, asks: returned !== 'no' }, deps));
  };
}

interface Waiting {
  readonly exchange: Exchange;
  readonly terminal: Handler;
  /** Of the monotonic clock. */
  readonly until: number;
  /** False for a client that has said no. */
  readonly asks: boolean;
}

/** Waits for the person as long as it may, calls again, and asks where that was in vain. */
async function settle(error: unknown, waiting: Waiting, deps: AskingDeps): Promise<Reply> {
  const { exchange, terminal, until, asks } = waiting;
  const login = loginIn(error);
  if (!login || !asks) throw error;
  const leftMs = until - deps.clock.monotonic();
  if (leftMs <= 0 || !login.over) return ask(error as GatewayError, login, exchange, deps);
  const waited = new AbortController();
  const late = deps.clock.sleep(leftMs, waited.signal).catch(() => {});
  try {
    await unlessAborted(Promise.race([login.over, late]), exchange.signal);
  } finally {
    waited.abort();
  }
  return Promise.resolve(terminal(exchange)).catch((again: unknown) => settle(again, waiting, deps));
}

function loginIn(error: unknown): LoginRequired | undefined {
  return error instanceof GatewayError && error.cause instanceof LoginRequired ? error.cause : undefined;
}

/** @throws the error itself, where the client can't be asked */
function ask(error: GatewayError, login: LoginRequired, exchange: Exchange, deps: AskingDeps): Reply {
  const { call } = exchange;
  if (call?.kind !== 'request' || call.id === undefined || !canBeAsked(call, exchange)) throw error;
  exchange.failure = error;
  const code = login.userCode === undefined ? '' : ` Enter the code ${login.userCode} there.`;
  const message = `${exchange.route?.destination ?? 'The server'} needs you to log in, in a browser.${code}`;
  const answer =
    call.era === 'legacy'
      ? { error: elicitationError(error, { url: login.url, message }, exchange) }
      : { result: inputRequired({ url: login.url, message }, exchange, deps) };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...answer }));
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    'x-request-id',
    exchange.id,
  ];
  return { status: 200, headers, body, origin: 'gateway' };
}

function canBeAsked(call: McpCall, exchange: Exchange): boolean {
  if (call.era === 'modern') return ASKS.has(call.method ?? '') && declaresUrls(call);
  return exchange.elicitsUrls === true || (call.method === 'initialize' && declaresUrls(call));
}

interface Elicited {
  readonly url: string;
  readonly message: string;
}

function elicitationError(error: GatewayError, { url, message }: Elicited, { id }: Exchange): object {
  // The same for the same address, so that a client shows it once.
  const elicitationId = createHash('sha256').update(url).digest('base64url').slice(0, 22);
  const elicitations = [{ mode: 'url', elicitationId, url, message }];
  const data = { elicitations, code: error.code, hint: error.hint, requestId: id };
  return { code: URL_ELICITATION_REQUIRED, message: error.message, data };
}

function inputRequired(params: Elicited, exchange: Exchange, { clock, seal }: AskingDeps): object {
  return {
    resultType: 'input_required',
    inputRequests: { [KEY]: { method: 'elicitation/create', params: { mode: 'url', ...params } } },
    requestState: MARK + seal.close(String(clock.now() + GOOD_MS), boundTo(exchange)),
  };
}

/** It is good for this caller, and this call, alone. */
function boundTo({ principal, route, call }: Exchange): string {
  return scopeKey(principal ?? null, KEY, route?.destination ?? '', call?.method ?? '', call?.name ?? '');
}

/**
 * A call that comes back from our own question goes on as it was before it: the server never asked. `no`: its client
 * declined; `again`: the question was none of ours, for this caller and call, or is an old one.
 */
function takeReturned(exchange: Exchange, { clock, seal }: AskingDeps): 'waits' | 'no' | 'again' | undefined {
  const { call } = exchange;
  if (call?.era !== 'modern' || call.kind !== 'request' || !call.body || !ASKS.has(call.method ?? '')) return undefined;
  const text = call.body.toString();
  const params = memberOf(text, 'params') ?? '{}';
  const state: unknown = JSON.parse(memberOf(params, 'requestState') ?? 'null');
  if (typeof state !== 'string' || !state.startsWith(MARK)) return undefined;
  const responses = JSON.parse(memberOf(params, 'inputResponses') ?? '{}') as Record<string, { action?: unknown }>;
  const before = withMembers(
    params,
    new Map([
      ['requestState', undefined],
      ['inputResponses', undefined],
    ]),
  );
  exchange.call = { ...call, body: Buffer.from(withMembers(text, new Map([['params', before]]))) };
  const action = responses?.[KEY]?.action;
  if (action === 'decline' || action === 'cancel') return 'no';
  return clock.now() < Number(seal.open(state.slice(MARK.length), boundTo(exchange)) ?? 0) ? 'waits' : 'again';
}
