import type { Attempt, EraOption, Exchange, Inbound, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isUnclaimed } from '../wire/envelope.js';
import { derive } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { UpstreamAround } from '../wire/upstreamAround.js';
import { type BridgeDeps, isBridgeSession } from './deps.js';
import { Eras } from './eras.js';
import { isDiscovery, mayRefuseEra, type Read, readWhole, understoodModern } from './evidence.js';
import type { LegacyToModern } from './legacyToModern.js';
import type { ModernToLegacy } from './modernToLegacy.js';

/** So long a server may take to say which revisions it speaks; a legacy one may never answer. Milliseconds. */
const ASK_MS = 10_000;

/** A question that any server may be asked: it changes nothing, and only a modern one has an answer. */
const DISCOVER = {
  method: 'POST',
  headers: ['mcp-protocol-version', '2026-07-28', 'mcp-method', 'server/discover'],
  message: {
    jsonrpc: '2.0',
    id: 'drawbridge-discover',
    method: 'server/discover',
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'mcp-drawbridge', version: '1' },
      },
    },
  },
} as const;

/** How a server may fail at a question that it doesn't understand. One that can't be reached hasn't heard it. */
const SAYS_NO: ReadonlySet<string> = new Set(['UPSTREAM_BROKE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_GARBAGE', 'CALLER_LEFT']);

/** The upstream itself, or a bridge around it where it may need one. */
export function bridged(upstream: Upstream, deps: BridgeDeps): Upstream {
  const { era } = upstream;
  return era === undefined || era === 'both' ? upstream : new Bridge(upstream, era, deps);
}

/** Passes calls of an era that the server speaks, and translates the others; finds out which those are by their answers. */
class Bridge extends UpstreamAround {
  readonly #deps: BridgeDeps;
  readonly #eras: Eras;
  #toModern: Promise<LegacyToModern> | undefined;
  #toLegacy: Promise<ModernToLegacy> | undefined;

  constructor(upstream: Upstream, era: EraOption, deps: BridgeDeps) {
    super(upstream);
    this.#deps = deps;
    this.#eras = new Eras(era, deps.clock);
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const spoken = this.#eras.of(attempt.route);
    if (exchange.call?.era === 'modern' || (spoken.modern && saysModern(exchange.request))) {
      if (spoken.modern) return this.inner.send(exchange, attempt);
      return spoken.modern === false ? this.#asLegacy(exchange, attempt) : this.#firstModern(exchange, attempt);
    }
    if (!spoken.modern && isUnclaimed(exchange)) return this.#unclaimed(exchange, attempt);
    if (spoken.legacy === false || isBridgeSession(exchange.request.header('mcp-session-id')))
      return this.#asModern(exchange, attempt);
    if (exchange.call?.method !== 'initialize' || spoken.legacy) return this.inner.send(exchange, attempt);
    return this.#firstInitialize(exchange, attempt);
  }

  override async close(): Promise<void> {
    await Promise.all([(await this.#toModern)?.close(), (await this.#toLegacy)?.close()]);
    await this.inner.close();
  }

  /** A modern call to a server that may not speak it: passed as it is, unless guessing wrong could cost the answer. */
  async #firstModern(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { route } = attempt;
    if (this.inner.askEraFirst) {
      await this.#ask(exchange, attempt);
      return this.#eras.of(route).modern ? this.inner.send(exchange, attempt) : this.#asLegacy(exchange, attempt);
    }
    const method = exchange.call?.method;
    const reply = await this.inner.send(exchange, attempt);
    if (method !== 'server/discover' && !mayRefuseEra(reply.status)) {
      if (reply.status < 300) this.#eras.learn(route, { modern: true });
      return reply;
    }
    if (method === 'server/discover' && reply.status >= 300 && !mayRefuseEra(reply.status)) return reply;
    const read = await readWhole(reply);
    const modern = isDiscovery(read) || understoodModern(read, method) || (await this.#discovers(exchange, attempt));
    if (!modern) return this.#instead(read, exchange, attempt);
    this.#eras.learn(route, { modern: true });
    return read.reply;
  }

  /** The server refused the modern call: in legacy clothes it may take it. Where it doesn't, its first word stands. */
  async #instead(refused: Read, exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const reply = await this.#asLegacy(exchange, attempt);
    if (mayRefuseEra(reply.status) && reply.origin === 'upstream') return refused.reply;
    if (reply.status < 300) this.#eras.learn(attempt.route, { modern: false, legacy: true });
    return reply;
  }

  /** Headers of today, and a body that isn't: a modern server knows what to say, an older one would take it for its own. */
  async #unclaimed(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    if (this.#eras.of(attempt.route).modern === undefined && (await this.#discovers(exchange, attempt))) {
      this.#eras.learn(attempt.route, { modern: true });
      return this.inner.send(exchange, attempt);
    }
    return this.#asLegacy(exchange, attempt);
  }

  async #firstInitialize(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const reply = await this.inner.send(exchange, attempt);
    if (reply.status >= 300 && !mayRefuseEra(reply.status)) return reply;
    const read = await readWhole(reply);
    if (reply.status < 300 && read.message?.error === undefined) {
      this.#eras.learn(attempt.route, { legacy: true });
      return read.reply;
    }
    if (!(await this.#discovers(exchange, attempt))) return read.reply;
    this.#eras.learn(attempt.route, { legacy: false, modern: true });
    return this.#asModern(exchange, attempt);
  }

  async #ask(exchange: Exchange, attempt: Attempt): Promise<void> {
    const modern = await this.#discovers(exchange, attempt);
    if (exchange.gone) throw callerLeft();
    this.#eras.learn(attempt.route, modern ? { modern } : { modern, legacy: true });
  }

  /** Whether the server answers `server/discover`. Silence is no. */
  async #discovers(exchange: Exchange, attempt: Attempt): Promise<boolean> {
    const asking = derive(exchange, DISCOVER, this.#deps.clock);
    const left = { cancel: () => asking.leave(callerLeft()) };
    const late = setTimeout(left.cancel, ASK_MS);
    exchange.held = left;
    try {
      return isDiscovery(await readWhole(await this.inner.send(asking, attempt)));
    } catch (error) {
      if (error instanceof GatewayError && SAYS_NO.has(error.code)) return false;
      throw error;
    } finally {
      clearTimeout(late);
      exchange.held = undefined;
    }
  }

  async #asModern(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    this.#toModern ??= import('./legacyToModern.js').then((it) => new it.LegacyToModern(this.inner, this.#deps));
    return (await this.#toModern).send(exchange, attempt);
  }

  async #asLegacy(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    this.#toLegacy ??= import('./modernToLegacy.js').then((it) => new it.ModernToLegacy(this.inner, this.#deps));
    return (await this.#toLegacy).send(exchange, attempt);
  }
}

/** A header of 2026-07-28 over a body without `_meta`: what is wrong with that is the server's to say. */
function saysModern(request: Inbound): boolean {
  const revision = request.header('mcp-protocol-version');
  return revision !== undefined && revision >= '2026-07-28';
}
