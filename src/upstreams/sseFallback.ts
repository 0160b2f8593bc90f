import type { Attempt, Exchange, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { scopeKey } from '../core/scopeKey.js';
import { gather } from '../wire/gather.js';
import { UpstreamAround } from '../wire/upstreamAround.js';

/** How one try ended. */
type Result = Reply | GatewayError;

type Transport = 'http' | 'sse';

/** What a POST is answered with where only HTTP+SSE is spoken, and a GET where only Streamable HTTP is. */
const NOT_SPOKEN = new Set([400, 404, 405, 406]);
/**
 * A modern server that is asked to `initialize` says so (2026-07-28, Error Codes): it takes POSTs, whatever it makes of this one.
 * The two of JSON-RPC are its answers, too; the servers of old used numbers of their own.
 */
const SPEAKS_HTTP = new Set([METHOD_NOT_FOUND, INVALID_PARAMS, -32_020, -32_021, -32_022]);
/** More places than a destination has; past that nothing is remembered. */
const MOST_VERDICTS = 1000;

/**
 * A server of which nobody said how it is spoken to: Streamable HTTP or HTTP+SSE at the same URL (2025-03-26, Backwards
 * Compatibility). A legacy `initialize` finds out, and what it found holds for that place and credential until it is
 * contradicted. 401, 403 and 5xx are no evidence.
 */
export class EitherUpstream extends UpstreamAround {
  readonly #ways: Readonly<Record<Transport, Upstream>>;
  readonly #first: Transport;
  /** Of places that turned out to speak the other one. */
  readonly #verdicts = new Map<string, Transport>();

  constructor(ways: Readonly<Record<Transport, Upstream>>, first: Transport) {
    super(ways.http);
    this.#ways = ways;
    this.#first = first;
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { call } = exchange;
    const asks = call?.method === 'initialize' && call.era === 'legacy';
    // Most servers speak what was tried first: then nothing was ever written down.
    if (!asks && this.#verdicts.size === 0) return this.#ways[this.#first].send(exchange, attempt);
    const key = placeKey(attempt);
    const transport = this.#verdicts.get(key) ?? this.#first;
    return asks ? this.#initialize(exchange, attempt, key, transport) : this.#ways[transport].send(exchange, attempt);
  }

  override async close(): Promise<void> {
    await Promise.all([this.#ways.http.close(), this.#ways.sse.close()]);
  }

  /** Where neither is spoken, what was asked for first has the word: its answer may say why. */
  async #initialize(exchange: Exchange, attempt: Attempt, key: string, transport: Transport): Promise<Reply> {
    const first = await this.#try(exchange, attempt, transport);
    if (!isEvidence(first, transport) || exchange.gone) return settled(first);
    this.#verdicts.delete(key);
    const other = transport === 'http' ? 'sse' : 'http';
    const second = await this.#try(exchange, attempt, other);
    if (isGood(second)) this.#learn(key, other);
    if (isGood(second) || isRefusal(second)) return settled(second);
    letGo(second);
    return settled(first);
  }

  /** A refusal that may be evidence is read whole, so that it can be both judged and passed on. */
  async #try(exchange: Exchange, attempt: Attempt, transport: Transport): Promise<Result> {
    try {
      const reply = await this.#ways[transport].send(exchange, attempt);
      if (!NOT_SPOKEN.has(reply.status) || typeof reply.body !== 'function') return reply;
      return { ...reply, body: await gather(reply.body).catch(() => null) };
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  }

  #learn(key: string, transport: Transport): void {
    if (transport !== this.#first && this.#verdicts.size < MOST_VERDICTS) this.#verdicts.set(key, transport);
  }
}

/** The query says nothing of how a server is spoken to. */
function placeKey({ route }: Attempt): string {
  return scopeKey(null, route.url.origin + route.url.pathname, route.credential ?? '');
}

function settled(result: Result): Reply {
  if (result instanceof GatewayError) throw result;
  return result;
}

function isGood(result: Result): boolean {
  return !(result instanceof GatewayError) && result.status < 300;
}

function isRefusal(result: Result): boolean {
  return !(result instanceof GatewayError) && (result.status === 401 || result.status === 403);
}

function isEvidence(result: Result, transport: Transport): boolean {
  if (result instanceof GatewayError) return transport === 'sse' && isNoStream(result);
  const { status, body } = result;
  if (!NOT_SPOKEN.has(status)) return false;
  return status === 405 || !SPEAKS_HTTP.has(errorCodeIn(Buffer.isBuffer(body) ? body.toString() : '') ?? 0);
}

/** It was there, and spoke HTTP, but had no event stream that begins as one of 2024-11-05 does. */
function isNoStream({ code, neverSent }: GatewayError): boolean {
  return code === 'UPSTREAM_GARBAGE' || (code === 'UPSTREAM_TIMEOUT' && !neverSent);
}

function errorCodeIn(text: string): number | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } };
    return typeof error?.code === 'number' ? error.code : undefined;
  } catch {
    return undefined;
  }
}

function letGo(result: Result): void {
  if (result instanceof GatewayError || typeof result.body !== 'function') return;
  result.body({ write: () => true, end() {}, fail() {} }).cancel();
}
