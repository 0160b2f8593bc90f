import type { Attempt, Exchange, Inbound, McpCall, Reply, Upstream } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import { gather } from '../wire/gather.js';

type Transport = 'http' | 'sse';

/** What a POST is answered with where only HTTP+SSE is spoken, and a GET where only Streamable HTTP is. */
const NOT_SPOKEN = new Set([400, 404, 405, 406]);
/**
 * A modern server that is asked to `initialize` says so (2026-07-28, Error Codes): it takes POSTs, whatever it makes of this one.
 * -32601 and -32602 are its answers, too; the servers of old used numbers of their own.
 */
const SPEAKS_HTTP = new Set([-32_601, -32_602, -32_020, -32_021, -32_022]);
/** More places than a destination has; past that nothing is remembered. */
const MOST_VERDICTS = 1000;

/**
 * A server of which nobody said how it is spoken to: Streamable HTTP or HTTP+SSE at the same URL (2025-03-26, Backwards
 * Compatibility). A legacy `initialize` finds out, and what it found holds for that place and credential until it is
 * contradicted. 401, 403 and 5xx are no evidence.
 */
export class EitherUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly allowedOrigins: readonly string[];
  readonly allowPrivate: boolean;
  readonly url?: URL;
  readonly credential?: string;
  readonly era?: NonNullable<Upstream['era']>;
  readonly personal: boolean;
  readonly #ways: Readonly<Record<Transport, Upstream>>;
  readonly #first: Transport;
  readonly #verdicts = new Map<string, Transport>();

  constructor(ways: Readonly<Record<Transport, Upstream>>, first: Transport) {
    const { http } = ways;
    this.name = http.name;
    this.allowedOrigins = http.allowedOrigins;
    this.allowPrivate = http.allowPrivate;
    this.personal = http.personal ?? false;
    if (http.url) this.url = http.url;
    if (http.credential !== undefined) this.credential = http.credential;
    if (http.era !== undefined) this.era = http.era;
    this.#ways = ways;
    this.#first = first;
  }

  safeToRepeat(call: McpCall): boolean {
    return this.#ways.http.safeToRepeat(call);
  }

  resolve(base: URL, request: Inbound): URL {
    return this.#ways.http.resolve(base, request);
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const key = placeKey(attempt);
    const transport = this.#verdicts.get(key) ?? this.#first;
    const { call } = exchange;
    if (call?.method !== 'initialize' || call.era !== 'legacy') return this.#ways[transport].send(exchange, attempt);
    return this.#initialize(exchange, attempt, key, transport);
  }

  async close(): Promise<void> {
    await Promise.all([this.#ways.http.close(), this.#ways.sse.close()]);
  }

  /** Where neither is spoken, what was asked for first has the word: its answer may say why. */
  async #initialize(exchange: Exchange, attempt: Attempt, key: string, transport: Transport): Promise<Reply> {
    const first = await readable(await this.#ways[transport].send(exchange, attempt));
    if (first.status < 300) this.#learn(key, transport);
    if (!isEvidence(first) || exchange.gone) return first;
    this.#verdicts.delete(key);
    const other = transport === 'http' ? 'sse' : 'http';
    const second = await this.#ways[other].send(exchange, attempt).catch(() => undefined);
    if (!second || (second.status >= 300 && !isRefusal(second.status))) {
      if (second) letGo(second);
      return first;
    }
    if (second.status < 300) this.#learn(key, other);
    return second;
  }

  #learn(key: string, transport: Transport): void {
    if (this.#verdicts.size < MOST_VERDICTS || this.#verdicts.has(key)) this.#verdicts.set(key, transport);
  }
}

/** The query says nothing of how a server is spoken to. */
function placeKey({ route }: Attempt): string {
  return scopeKey(null, route.url.origin + route.url.pathname, route.credential ?? '');
}

/** A refusal that may be evidence is read whole, so that it can be both judged and passed on. */
async function readable(reply: Reply): Promise<Reply> {
  if (!NOT_SPOKEN.has(reply.status) || typeof reply.body !== 'function') return reply;
  return { ...reply, body: await gather(reply.body).catch(() => null) };
}

function isEvidence({ status, body }: Reply): boolean {
  if (!NOT_SPOKEN.has(status)) return false;
  return status === 405 || !SPEAKS_HTTP.has(errorCodeIn(Buffer.isBuffer(body) ? body.toString() : '') ?? 0);
}

function errorCodeIn(text: string): number | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } };
    return typeof error?.code === 'number' ? error.code : undefined;
  } catch {
    return undefined;
  }
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

function letGo({ body }: Reply): void {
  if (typeof body === 'function') body({ write: () => true, end() {}, fail() {} }).cancel();
}
