import type {
  Asking,
  AuthBroker,
  AuthToken,
  Clock,
  Credential,
  CredentialSource,
  Exchange,
  Signals,
  Store,
} from '../contracts.js';
import { SingleFlight, unlessAborted } from '../core/async.js';
import { CredentialError, GatewayError, LoginRequired } from '../core/errors.js';
import { Bases } from './credentialBases.js';
import { failureKey, type Slot, slotOf } from './credentialSlot.js';
import { type Failure, ProviderFailures } from './providerFailures.js';
import { endWith, type Held, hold } from './tokenLife.js';

export interface BrokerParts {
  /** By the names that the configuration gave. */
  readonly sources: ReadonlyMap<string, CredentialSource>;
  readonly store: Store;
  readonly clock: Clock;
  readonly signals: Signals;
}

/** For one token request, whatever the source does. Milliseconds. */
const DEADLINE = 15_000;
/** Refused tokens that nobody replaced; past that the oldest is forgotten. */
const MOST_REFUSED = 10_000;

/**
 * The one place where tokens are cached, renewed and kept apart. A good token is handed out without a promise; one that
 * nears its end serves on while a new one is fetched; a provider that failed is left alone for a while, not asked by every caller.
 */
export function createAuthBroker(parts: BrokerParts): AuthBroker {
  return new Broker(parts);
}

interface Failed {
  readonly failure: Failure;
  /** Present for the one request that failed, and only for the log. */
  readonly cause?: unknown;
}

type Outcome = { readonly token: AuthToken } | Failed;

class Broker implements AuthBroker {
  readonly #parts: BrokerParts;
  readonly #failures: ProviderFailures;
  /** Flights never reject: those that nobody waits for any more fail quietly. */
  readonly #flights = new SingleFlight<Outcome>();
  readonly #running = new Set<Promise<Outcome>>();
  /** What a token is shown as, once for all who show it, and whose it is. */
  readonly #shown = new WeakMap<AuthToken, Credential>();
  readonly #slots = new WeakMap<Credential, Slot>();
  readonly #bases: Bases;
  /** Those of the gateway itself: the same for every exchange. */
  readonly #own = new Map<string, Slot>();
  /** By the slot's key, until another token was had. */
  readonly #refused = new Map<string, NonNullable<Asking['refused']>>();
  readonly #closing = new AbortController();

  constructor(parts: BrokerParts) {
    this.#parts = parts;
    this.#failures = new ProviderFailures(parts.store, parts.clock);
    this.#bases = new Bases(parts.store);
  }

  credential(name: string, exchange: Exchange, origin: string): Credential | Promise<Credential> {
    const source = this.#parts.sources.get(name);
    if (!source) return Promise.reject(new GatewayError('INTERNAL', `no credential is called ${name}`));
    if (!source.origins.includes(origin)) return Promise.reject(originRefused(name, origin));
    try {
      return source.passOn ? source.passOn(exchange) : this.#give(this.#slot(name, source, exchange), exchange);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #give(slot: Slot, exchange: Exchange): Credential | Promise<Credential> {
    const held = this.#parts.store.get<Held>(slot.key);
    const now = this.#parts.clock.now();
    if (!held || now >= held.usableUntil) return this.#wait(slot, exchange);
    if (now >= held.refreshAt) this.#refreshAhead(slot);
    return this.#hand(slot, held.token);
  }

  reject(name: string, credential: Credential, challenge?: string): boolean {
    const slot = this.#slots.get(credential);
    if (!slot) return false;
    const { store, signals } = this.#parts;
    if (store.get<Held>(slot.key)?.token.value === credential.token.value) {
      store.delete(slot.key);
      this.#remember(slot.key, { token: credential.token, challenge });
      signals.emit('token.rejected', { credential: name, renewable: slot.source.renewable });
    }
    return slot.source.renewable;
  }

  #remember(key: string, refused: NonNullable<Asking['refused']>): void {
    if (this.#refused.size >= MOST_REFUSED) this.#refused.delete(this.#refused.keys().next().value as string);
    this.#refused.set(key, refused);
  }

  list(): ReturnType<AuthBroker['list']> {
    return [...this.#own.values()].flatMap(({ name, key }) => {
      const token = this.#parts.store.get<Held>(key)?.token;
      return token ? [{ name, obtainedAt: token.obtainedAt, expiresAt: token.expiresAt }] : [];
    });
  }

  drop(name: string): boolean {
    const slot = this.#own.get(name);
    if (!slot || this.#parts.store.get(slot.key) === undefined) return false;
    this.#parts.store.delete(slot.key);
    return true;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }

  #hand(slot: Slot, token: AuthToken): Credential {
    const shown = this.#shown.get(token);
    if (shown) return shown;
    const credential = slot.source.present(token);
    this.#shown.set(token, credential);
    this.#slots.set(credential, slot);
    return credential;
  }

  /** @throws GatewayError where the caller has not what it takes. */
  #slot(name: string, source: CredentialSource, exchange: Exchange): Slot {
    if (source.scope === 'caller' && !exchange.principal) throw callerUnknown(name);
    const own = this.#own.get(name);
    if (own) return own;
    const slot = slotOf(name, source, exchange, this.#parts.clock.now());
    if (slot.owner === null && !source.perServer) this.#own.set(name, slot);
    return slot;
  }

  /** A caller that leaves detaches itself only: the token is fetched on for the others. */
  async #wait(slot: Slot, exchange: Exchange): Promise<Credential> {
    const failure = this.#failures.current(failureKey(slot), true);
    const outcome = failure ? { failure } : await unlessAborted(this.#fetch(slot), exchange.signal);
    if ('token' in outcome) return this.#hand(slot, outcome.token);
    throw this.#unavailable(slot, exchange, outcome);
  }

  #refreshAhead(slot: Slot): void {
    if (!this.#failures.current(failureKey(slot))) void this.#fetch(slot, true);
  }

  #fetch(slot: Slot, ahead = false): Promise<Outcome> {
    const flight = this.#flights.run(slot.key, () => this.#obtain(slot, ahead));
    if (!this.#running.has(flight)) {
      this.#running.add(flight);
      void flight.then(() => this.#running.delete(flight));
    }
    return flight;
  }

  async #obtain(slot: Slot, ahead: boolean): Promise<Outcome> {
    const startedAt = this.#parts.clock.monotonic();
    try {
      const token = await this.#acquire(slot);
      this.#refused.delete(slot.key);
      this.#keep(slot, token, startedAt);
      return { token };
    } catch (cause) {
      if (this.#closing.signal.aborted) return { failure: stopping(this.#parts.clock.monotonic()) };
      // Whoever logs in now shall not have to wait for the end of a back-off.
      if (cause instanceof LoginRequired)
        return { failure: waitingForLogin(cause, this.#parts.clock.monotonic()), cause };
      const failure = this.#failures.remember(failureKey(slot), cause, ahead);
      this.#tellFailure(slot, failure, startedAt);
      return { failure, cause };
    }
  }

  /** The deadline and a stop end the wait even where a source doesn't listen to its signal. */
  async #acquire({ source, owner, caller, url, key, endsAt }: Slot): Promise<AuthToken> {
    const refused = this.#refused.get(key);
    const patienceMs = source.patienceMs ?? DEADLINE;
    const answered = new AbortController();
    const deadline = new AbortController();
    const signal = AbortSignal.any([deadline.signal, this.#closing.signal]);
    signal.throwIfAborted();
    this.#parts.clock.sleep(patienceMs, answered.signal).then(
      () => deadline.abort(tooSlow(patienceMs)),
      () => {},
    );
    try {
      const asking = { owner, url, ...(caller ? { caller } : {}), ...(refused ? { refused } : {}) };
      return endWith(await unlessAborted(source.acquire(signal, asking), signal), endsAt);
    } finally {
      answered.abort();
    }
  }

  #keep(slot: Slot, token: AuthToken, startedAt: number): void {
    const { clock, store, signals } = this.#parts;
    const now = clock.now();
    const name = store.get(slot.key) === undefined ? 'token.acquired' : 'token.refreshed';
    store.set(slot.key, hold(token, clock.random, slot.endsAt), token.expiresAt - now);
    this.#bases.remember(slot, token.expiresAt - now);
    this.#failures.forget(failureKey(slot));
    const expiresInS = Number.isFinite(token.expiresAt) ? Math.round((token.expiresAt - now) / 1000) : undefined;
    signals.emit(name, { credential: slot.name, ms: Math.round(clock.monotonic() - startedAt), expiresInS });
  }

  #tellFailure(slot: Slot, failure: Failure, startedAt: number): void {
    const { message: reason, mend, attempts } = failure;
    const ms = Math.round(this.#parts.clock.monotonic() - startedAt);
    const retryInS = this.#secondsUntil(failure.until);
    this.#parts.signals.emit('token.failed', { credential: slot.name, reason, mend, attempts, retryInS, ms });
  }

  #unavailable(slot: Slot, exchange: Exchange, { failure, cause }: Failed): GatewayError {
    const destination = exchange.route?.destination ?? 'this destination';
    const message = `no token for ${destination} from the credential ${slot.name}: ${failure.message}`;
    const retryAfter = this.#secondsUntil(failure.until);
    if (cause instanceof LoginRequired)
      return new GatewayError('LOGIN_REQUIRED', message, { hint: failure.mend, cause });
    return new GatewayError('CREDENTIAL_UNAVAILABLE', message, { hint: failure.mend, retryAfter, cause });
  }

  #secondsUntil(moment: number): number {
    return Math.max(1, Math.ceil((moment - this.#parts.clock.monotonic()) / 1000));
  }
}

function tooSlow(ms: number): CredentialError {
  return new CredentialError(`no token came within ${ms / 1000} s`, 'Check that the provider is reachable and well.');
}

function originRefused(name: string, origin: string): GatewayError {
  return new GatewayError('CREDENTIAL_ORIGIN_NOT_ALLOWED', `the credential ${name} must not be shown to ${origin}`);
}

function callerUnknown(name: string): GatewayError {
  const hint = 'Configure identity, so that callers are known.';
  return new GatewayError(
    'CREDENTIAL_UNAVAILABLE',
    `the credential ${name} belongs to its caller, and nobody said who calls`,
    { hint },
  );
}

/** Nobody's fault either: the next call asks anew. */
function waitingForLogin({ message, mend }: LoginRequired, now: number): Failure {
  return { message, mend, attempts: 0, until: now };
}

/** No fault of the provider's: it is neither remembered nor told. */
function stopping(now: number): Failure {
  return { message: 'this process is stopping', mend: 'Ask again in a moment.', attempts: 0, until: now };
}
