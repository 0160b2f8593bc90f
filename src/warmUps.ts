import { createHash } from 'node:crypto';
import type { Settings } from './config/settings.js';
import type { AuthBroker, Clock, Credential, CredentialSource, Signals, Upstream } from './contracts.js';
import { eachOf, type Started } from './core/async.js';
import { OpenExchange, OwnRequest } from './wire/exchange.js';

export interface WarmUpsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly broker: AuthBroker;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly sources: ReadonlyMap<string, CredentialSource>;
  /** With which credential each was warmed up before; it outlives a reload. */
  readonly warmed: WeakMap<Upstream, string>;
  readonly started: Started;
}

/** Destinations that read ahead at the same time. */
const AT_ONCE = 4;

/**
 * Has destinations read ahead, as the gateway itself and behind everything else, what their callers will ask for. One that a
 * reload left as it was has done so before. A failure is told, and no more than that.
 */
export class WarmUps {
  readonly #deps: WarmUpsDeps;
  readonly #settings: Settings;
  #over = false;

  constructor(settings: Settings, deps: WarmUpsDeps) {
    this.#settings = settings;
    this.#deps = deps;
    deps.started.add(() => {
      this.#over = true;
    });
  }

  /** Returns at once. */
  begin(): void {
    const cold = [...this.#deps.upstreams.values()].filter((upstream) => this.#isCold(upstream));
    if (cold.length > 0) void eachOf(cold, AT_ONCE, (upstream) => this.#warm(upstream));
  }

  #isCold(upstream: Upstream): boolean {
    return upstream.warmUp !== undefined && this.#isOwn(upstream) && !this.#hasBeen(upstream);
  }

  /** What is each caller's own nobody has yet; and no person is asked to log in before somebody calls. */
  #isOwn({ credential }: Upstream): boolean {
    if (credential === undefined) return true;
    const source = this.#deps.sources.get(credential);
    return source?.scope === 'gateway' && source.patienceMs === undefined;
  }

  #hasBeen(upstream: Upstream): boolean {
    return this.#deps.warmed.get(upstream) === this.#shownBy(upstream);
  }

  /** What the credential is made from, in a form that nobody gets anything back from. */
  #shownBy({ credential = '' }: Upstream): string {
    const wish = JSON.stringify([credential, this.#settings.credentials.get(credential)]);
    return createHash('sha256').update(wish).digest('base64url');
  }

  async #warm(upstream: Upstream): Promise<void> {
    const { clock, signals, warmed } = this.#deps;
    try {
      if (this.#over) return;
      const credential = await this.#credential(upstream);
      warmed.set(upstream, this.#shownBy(upstream));
      const startedAt = clock.monotonic();
      await upstream.warmUp?.(credential);
      if (this.#over) return;
      signals.emit('toolset.warm', { destination: upstream.name, ms: Math.round(clock.monotonic() - startedAt) });
    } catch (error) {
      // What is still there after a reload is warmed up by the next configuration.
      if (this.#over && !this.#hasBeen(upstream)) return;
      const cause = error instanceof Error ? error.message : String(error);
      signals.emit('toolset.cold', { destination: upstream.name, cause });
    }
  }

  /** As a call gets it that nobody makes. Rejects where the app is let go of meanwhile. */
  async #credential(upstream: Upstream): Promise<Credential | undefined> {
    const { credential: name, url } = upstream;
    if (name === undefined || !url) return undefined;
    const { broker, clock } = this.#deps;
    const said = { method: 'POST', target: `/mcp/${upstream.name}`, headerLines: [], remoteAddress: '' };
    const exchange = new OpenExchange('drawbridge-warm-up', 'mcp', new OwnRequest(said), clock);
    exchange.route = { destination: upstream.name, upstream, url, publicOnly: false, credential: name };
    return broker.credential(name, exchange, url.origin);
  }
}
