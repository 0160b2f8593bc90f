import { setMaxListeners } from 'node:events';
import type { Clock, HeldSecret, SecretManager, Signals } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { createRest, type Rest } from '../wire/rest.js';
import { SecretError } from './secretError.js';

/** A manager as a configuration has it. */
export interface ManagerWish {
  /** The name before the colon. */
  readonly name: string;
  /** Says all that the manager depends on. */
  readonly digest: string;
  /** Called once. Throws a SecretError where it can't be made. */
  create(): SecretManager;
}

/** What the keeper needs once there is something to tell. */
export interface SecretWatcher {
  readonly signals: Signals;
  /** A secret has changed: the configuration should be loaded again. */
  readonly changed: () => void;
}

interface Manager {
  readonly name: string;
  readonly source: SecretManager;
  lost: boolean;
}

/** One secret that was read; times are of the monotonic clock. */
interface Kept {
  readonly manager: Manager;
  readonly path: string;
  held: HeldSecret;
  dueAt: number;
  failures: number;
}

/** Secrets that one configuration may name. */
const MAX_SECRETS = 1_000;
/** Questions to managers at a time. */
const MAX_AT_ONCE = 8;
/** For one secret, logins and repeats included. Milliseconds. */
const PATIENCE_MS = 30_000;
/** Before a question is repeated whose failure may pass. Milliseconds. */
const PAUSES_MS = [250, 1_000];
/** Whatever a lease says; milliseconds. */
const SHORTEST_MS = 1_000;
/** After a failed refresh; doubled by each further one up to the usual time. Milliseconds. */
const FIRST_RETRY_MS = 5_000;
/** Of an answer: a Secret of Kubernetes has up to 1 MiB, written in base64. */
const MAX_BYTES = 2 * 1024 * 1024;

/**
 * Keeps what secret managers hold: each secret is read once for all configurations that name it, and again on its interval.
 * One that can't be read again keeps its last value.
 */
export class SecretKeeper {
  readonly rest: Rest = createRest({ maxBytes: MAX_BYTES });
  readonly clock: Clock;
  readonly #flight = new SingleFlight<Kept>();
  readonly #closing = new AbortController();
  readonly #gate = new Gate(MAX_AT_ONCE);
  #managers = new Map<string, Manager>();
  #kept = new Map<string, Kept>();
  /** Of what is kept, what the running configuration names. */
  #wanted: ReadonlySet<string> = new Set();
  #watcher: SecretWatcher | undefined;
  #nap: AbortController | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
    setMaxListeners(0, this.#closing.signal);
  }

  /** What one configuration reads; one at a time. What a refused one has read before is forgotten. */
  begin(): SecretRound {
    this.#forgetUnwanted();
    return new SecretRound({
      read: (wish, path) => this.#read(wish, path),
      settle: (used) => this.#settle(used),
    });
  }

  /** From now on secrets are read again when it is time, and it is told where one has changed. */
  watch(watcher: SecretWatcher): void {
    this.#watcher = watcher;
    this.#schedule();
  }

  close(): void {
    this.#closing.abort();
    this.#nap?.abort();
    this.rest.close();
  }

  async #read(wish: ManagerWish, path: string): Promise<HeldSecret> {
    const manager = this.#managers.get(wish.digest) ?? { name: wish.name, source: wish.create(), lost: false };
    this.#managers.set(wish.digest, manager);
    const key = keyOf(wish, path);
    const kept = this.#kept.get(key);
    if (!kept) return (await this.#flight.run(key, () => this.#readFirst(key, manager, path))).held;
    if (kept.dueAt <= this.clock.monotonic()) await this.#refresh(key, kept);
    return kept.held;
  }

  async #readFirst(key: string, manager: Manager, path: string): Promise<Kept> {
    const held = await this.#patiently(manager, path);
    const kept = { manager, path, held, dueAt: this.#dueAt(manager, held), failures: 0 };
    this.#kept.set(key, kept);
    return kept;
  }

  /** True where it has changed. Never rejects: what can't be read stays as it was. */
  async #refresh(key: string, kept: Kept): Promise<boolean> {
    const before = kept.held;
    await this.#flight.run(key, async () => {
      try {
        kept.held = await this.#patiently(kept.manager, kept.path);
        kept.failures = 0;
        kept.dueAt = this.#dueAt(kept.manager, kept.held);
        this.#tellBack(kept.manager);
      } catch (error) {
        this.#postpone(kept, error);
      }
      return kept;
    });
    return JSON.stringify(kept.held.value) !== JSON.stringify(before.value);
  }

  async #patiently(manager: Manager, path: string): Promise<HeldSecret> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    const signal = AbortSignal.any([late, this.#closing.signal]);
    for (let tries = 0; ; tries++) {
      try {
        return await this.#gate.run(() => manager.source.read(path, signal));
      } catch (error) {
        const pause = PAUSES_MS[tries];
        if (pause === undefined || signal.aborted || !(error instanceof SecretError && error.passing)) throw error;
        await this.clock.sleep(pause, this.#closing.signal);
      }
    }
  }

  /** Replicas that were started together don't ask together for ever. */
  #dueAt({ source }: Manager, { leaseMs = Number.POSITIVE_INFINITY }: HeldSecret): number {
    const usual = Math.min(source.refreshMs, leaseMs) * (0.9 + this.clock.random() / 10);
    return this.clock.monotonic() + Math.max(SHORTEST_MS, usual);
  }

  #postpone(kept: Kept, error: unknown): void {
    const { manager } = kept;
    const wait = Math.min(manager.source.refreshMs, FIRST_RETRY_MS * 2 ** Math.min(kept.failures, 16));
    kept.failures += 1;
    kept.dueAt = this.clock.monotonic() + Math.max(SHORTEST_MS, wait);
    if (manager.lost || this.#closing.signal.aborted) return;
    manager.lost = true;
    const { message, mend } = error instanceof SecretError ? error : { message: String(error), mend: undefined };
    this.#watcher?.signals.emit('secrets.lost', {
      manager: manager.name,
      path: kept.path,
      reason: message,
      hint: mend,
    });
  }

  /** One manager may refuse one secret and show the others: it is back when all are. */
  #tellBack(manager: Manager): void {
    if (!manager.lost || [...this.#kept.values()].some((each) => each.manager === manager && each.failures > 0)) return;
    manager.lost = false;
    this.#watcher?.signals.emit('secrets.back', { manager: manager.name });
  }

  /** What the configuration that is taken doesn't name is forgotten. */
  #settle(used: ReadonlySet<string>): void {
    this.#wanted = used;
    this.#forgetUnwanted();
    this.#schedule();
  }

  #forgetUnwanted(): void {
    this.#kept = new Map([...this.#kept].filter(([key]) => this.#wanted.has(key)));
    const managers = new Set([...this.#kept.values()].map(({ manager }) => manager));
    this.#managers = new Map([...this.#managers].filter(([, manager]) => managers.has(manager)));
  }

  #schedule(): void {
    this.#nap?.abort();
    const running = this.#running();
    if (!this.#watcher || running.length === 0 || this.#closing.signal.aborted) return;
    const nap = new AbortController();
    this.#nap = nap;
    const next = Math.min(...running.map(([, { dueAt }]) => dueAt));
    this.clock.sleep(Math.max(0, next - this.clock.monotonic()), nap.signal).then(
      () => this.#refreshDue(),
      () => {},
    );
  }

  /** What the running configuration names: nothing is read again for a load that may be refused. */
  #running(): [string, Kept][] {
    return [...this.#kept].filter(([key]) => this.#wanted.has(key));
  }

  async #refreshDue(): Promise<void> {
    const now = this.clock.monotonic();
    const due = this.#running().filter(([, { dueAt }]) => dueAt <= now);
    const changes = await Promise.all(due.map(async ([key, kept]) => ((await this.#refresh(key, kept)) ? [kept] : [])));
    const changed = changes.flat();
    for (const { manager, path } of changed)
      this.#watcher?.signals.emit('secrets.changed', { manager: manager.name, path });
    if (changed.length > 0) this.#watcher?.changed();
    this.#schedule();
  }
}

/** What the keeper lends a round. */
interface Lent {
  read(wish: ManagerWish, path: string): Promise<HeldSecret>;
  settle(used: ReadonlySet<string>): void;
}

/** What one configuration reads. */
export class SecretRound {
  readonly #lent: Lent;
  readonly #used = new Set<string>();
  readonly #values = new Set<string>();

  constructor(lent: Lent) {
    this.#lent = lent;
  }

  /** Rejects with a SecretError. What `pick` makes of it is a value that no log may show. */
  async read(wish: ManagerWish, path: string, pick: (held: HeldSecret) => string): Promise<string> {
    this.#used.add(keyOf(wish, path));
    if (this.#used.size > MAX_SECRETS) {
      throw new SecretError(
        `more than ${MAX_SECRETS} secrets are named`,
        'Gather some of them as fields of one secret.',
      );
    }
    const value = pick(await this.#lent.read(wish, path));
    this.#values.add(value);
    return value;
  }

  /** All that was picked so far. */
  get values(): readonly string[] {
    return [...this.#values];
  }

  /** The configuration is taken: what it doesn't name is forgotten. */
  settle(): void {
    this.#lent.settle(this.#used);
  }
}

function keyOf({ digest }: ManagerWish, path: string): string {
  return `${digest} ${path}`;
}

/** Lets so many through at a time; the others wait in their order. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async run<Value>(job: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((proceed) => this.#waiting.push(proceed));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
