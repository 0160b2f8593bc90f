import { createRules } from './config/rulesEntry.js';
import type { Entry, Settings } from './config/settings.js';
import type { BreakerHints, HintName } from './contracts/hints.js';
import type { Clock, Exchange, Signals } from './contracts.js';
import type { Started } from './core/async.js';
import { GatewayError } from './core/errors.js';
import type { Kept } from './core/kept.js';
import type { Protection } from './gateway/proxyClient.js';
import { health } from './gateway/verdicts.js';
import { build, kinds } from './kinds.js';
import { Breakers } from './resilience/breakers.js';
import { callRules } from './resilience/callRules.js';
import type { Circuit } from './resilience/circuitBreaker.js';
import { OwnRules } from './resilience/ownRules.js';
import { RetryBudget } from './resilience/retry.js';
import type { VaultDeps } from './stores/redisVault.js';

export interface ProtectionsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** What a reload leaves as it was stays open, or shut. */
  readonly kept: Kept;
  readonly started: Started;
}

export interface Protections {
  readonly protections: ReadonlyMap<string, Protection>;
  /** From now on these hear of others', once nothing can go wrong any more: a configuration that is refused changes nothing. */
  listen(): void;
}

/** What guards each destination of a configuration, and is let go of with `started`. */
export async function openProtections(
  names: Iterable<string>,
  settings: Settings,
  deps: ProtectionsDeps,
): Promise<Protections> {
  const { clock, kept, started } = deps;
  const { store } = settings.resilience.circuitBreaker;
  const hints = await openHints(settings, deps);
  const protections = new Map<string, Protection>();
  for (const name of names) {
    const entry = settings.destinations.get(name);
    const rules = callRules(settings.resilience, entry?.common?.resilience, await ownRules(name, entry, deps));
    const wish = ['breakers', name, rules.breaker, store === undefined ? null : [store, settings.stores.get(store)]];
    const listening = { ...deps, ...(hints ? { listener: hints } : {}) };
    const taken = await kept.take(wish, () => new Breakers(name, rules.breaker, listening));
    started.add(() => taken.release());
    protections.set(name, { breakers: taken.value, budget: new RetryBudget(clock), rules });
  }
  return { protections, listen: () => hints?.listen((told) => hear(told, protections)) };
}

/** Counts a failure that came behind a part of the answer: its attempt was judged by that part. */
export function countLate(
  protection: Protection | undefined,
  exchange: Exchange,
  failure: NonNullable<Exchange['failure']>,
): void {
  if (!protection || !(failure instanceof GatewayError)) return;
  const { breakers, rules } = protection;
  if (health(failure, exchange, rules) === 'bad') breakers.of(exchange).countLate();
}

/** Counts an answer that broke off: it was good by its head. A stream that only listened may have been cut by whoever balances: that makes nothing of it undone. */
export function countBroken(protection: Protection | undefined, exchange: Exchange): void {
  const breaker = protection?.breakers.of(exchange);
  if (exchange.call?.kind === 'stream') breaker?.count('bad');
  else breaker?.countLate();
}

/** Rules of a kind, where the destination names one. */
async function ownRules(name: string, entry: Entry | undefined, deps: ProtectionsDeps): Promise<OwnRules | undefined> {
  if (!entry?.common) return undefined;
  const rules = await createRules(kinds.rules, entry.common, { name, clock: deps.clock, baseDir: entry.baseDir });
  return rules && new OwnRules(name, rules, deps.signals);
}

/** How replicas tell each other; kept over a reload, since the breakers that are kept tell it. */
async function openHints(settings: Settings, deps: ProtectionsDeps): Promise<BreakerHints | undefined> {
  const { store } = settings.resilience.circuitBreaker;
  if (store === undefined) return undefined;
  const entry = settings.stores.get(store) as Entry;
  const taken = await deps.kept.take(['hints', store, entry], () =>
    build<BreakerHints, VaultDeps>(kinds.hints, entry, { ...deps, name: store }),
  );
  deps.started.add(() => taken.release());
  return taken.value;
}

/** All that others have open: the rest of what was suspected isn't any more. */
function hear(told: readonly HintName[], protections: ReadonlyMap<string, Protection>): void {
  const suspected = new Set<Circuit>();
  for (const name of told) {
    const circuit = protections.get(name.destination)?.breakers.find(name, true);
    if (circuit) suspected.add(circuit);
  }
  for (const { breakers } of protections.values()) {
    for (const circuit of breakers.all) {
      if (suspected.has(circuit)) circuit.suspect();
      else circuit.trust();
    }
  }
}
