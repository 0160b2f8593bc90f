import type { KindDeps, RestRequest } from '../contracts.js';
import type { BalancedPool } from '../resilience/pool.js';
import type { Place } from '../resilience/poolPlace.js';
import type { HealthCheckOptions } from '../resilience/poolSchema.js';

const PING = { jsonrpc: '2.0', id: 'drawbridge-check', method: 'ping' };
const DISCOVER = {
  jsonrpc: '2.0',
  id: 'drawbridge-check',
  method: 'server/discover',
  params: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'mcp-drawbridge', version: '1' },
    },
  },
};
const POSTED = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const MODERN = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' };

/**
 * Asks each member of a pool now and then whether it lives. No credential is shown: a server that refuses the question, as
 * it refuses whoever isn't logged in, is alive. Keeps no process alive itself.
 */
export class PoolChecks {
  readonly #pool: BalancedPool;
  readonly #options: HealthCheckOptions;
  readonly #rest: KindDeps['rest'];
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** How often in a row it was otherwise than the pool has it. */
  readonly #against = new Map<Place, number>();
  readonly #asked = new Set<Place>();

  /** `headers`: what the destination shows anyway. */
  constructor(
    pool: BalancedPool,
    options: HealthCheckOptions,
    rest: KindDeps['rest'],
    headers: Readonly<Record<string, string>>,
  ) {
    this.#pool = pool;
    this.#options = options;
    this.#rest = rest;
    this.#headers = headers;
    this.#timer = setInterval(() => this.#checkAll(), options.intervalMs).unref();
    this.#checkAll();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closing.abort();
  }

  #checkAll(): void {
    for (const member of this.#pool.members) if (!this.#asked.has(member)) void this.#check(member);
  }

  async #check(member: Place): Promise<void> {
    this.#asked.add(member);
    const alive = await this.#ask(member.url).catch(() => false);
    this.#asked.delete(member);
    if (!this.#closing.signal.aborted) this.#learn(member, alive);
  }

  #learn(member: Place, alive: boolean): void {
    if (alive !== member.unhealthy) {
      this.#against.delete(member);
      return;
    }
    const count = (this.#against.get(member) ?? 0) + 1;
    this.#against.set(member, count);
    const { failures, successes } = this.#options;
    if (count < (alive ? successes : failures)) return;
    this.#against.delete(member);
    this.#pool.check(member, alive);
  }

  async #ask(url: URL): Promise<boolean> {
    const { method, path, timeoutMs } = this.#options;
    const target = method === 'get' ? new URL(path, url) : url;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    const { status } = await this.#rest({ url: target.href, signal, ...this.#question() });
    return method === 'get' ? status < 400 : status < 500 && status !== 429;
  }

  #question(): Pick<RestRequest, 'method' | 'headers' | 'body'> {
    const { method } = this.#options;
    if (method === 'get') return { method: 'GET', headers: this.#headers };
    const modern = method === 'server/discover';
    const headers = { ...this.#headers, ...POSTED, ...(modern ? MODERN : {}) };
    return { method: 'POST', headers, body: JSON.stringify(modern ? DISCOVER : PING) };
  }
}
