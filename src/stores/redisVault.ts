import { createHash, randomUUID } from 'node:crypto';
import type { Kind, KindDeps, Vault } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { Seal } from '../core/seal.js';
import { LockHeld } from './fileLock.js';
import { RedisLink } from './redisLink.js';
import { connect, REQUIRES, type RedisOptions, redisOptions } from './redisOptions.js';
import { LOCK, PROLONG, PROVE, READ, SCAN, UNLOCK, WRITE } from './redisVaultScripts.js';
import { type Seen, SeenDocuments } from './seenDocuments.js';
import { Turns, Unfinished } from './turns.js';

export type VaultDeps = Pick<KindDeps, 'name' | 'clock' | 'signals'>;

/** Of one command. A login isn't asked for on every call: it may take longer than a limit. */
const DEADLINE_MS = 2000;
/** A crash leaves a lock behind for so long. */
const LOCK_MS = 10_000;
/** Between two looks at a lock that somebody else has. */
const LOOK_MS = 50;
/** A token request may take 15 s, and those who wait have deadlines of their own. */
const LOCK_WAIT_MS = 60_000;
/** So long a server that was lost may come back before its absence decides anything. */
const LOST_WAIT_MS = 5000;
/** Longer than anybody takes to connect again: until then a server that was lost may not have the newest documents. */
const SETTLE_MS = 3000;
/** What nobody has written anew for so long is forgotten. */
const KEEP_MS = 400 * 86_400_000;
const KEEP_LOCK_MS = 86_400_000;

/**
 * A vault in Redis, for many replicas: documents are sealed (AES-256-GCM) with a key that Redis never sees. Whoever lost its
 * lock can't overwrite what the next one wrote. While Redis is gone this process goes on with what it has seen, and writes
 * it when Redis is back, unless something newer is there by then.
 */
class RedisVault implements Vault {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #seal: Seal;
  readonly #deps: VaultDeps;
  readonly #turns = new Turns();
  readonly #unfinished = new Unfinished();
  readonly #seen = new SeenDocuments();
  /** The locks of this process, by name. */
  readonly #held = new Map<string, string>();
  #settledAt = 0;

  constructor(parts: {
    readonly link: (events: { lost(cause: string): void; back(): void }) => RedisLink;
    readonly prefix: string;
    readonly seal: Seal;
    readonly deps: VaultDeps;
  }) {
    this.#prefix = `${parts.prefix}login:`;
    this.#seal = parts.seal;
    this.#deps = parts.deps;
    const store = parts.deps.name;
    this.#link = parts.link({
      lost: (cause) => parts.deps.signals.emit('vault.lost', { store, cause }),
      back: () => {
        this.#settledAt = this.#deps.clock.monotonic() + SETTLE_MS;
        void this.hold(this.#bringBack());
      },
    });
  }

  open(): Promise<void> {
    return this.#link.open();
  }

  async read(name: string): Promise<object | undefined> {
    const seen = await this.#look(name);
    return seen && this.#open(seen.sealed, this.#keyOf(name))?.document;
  }

  write(name: string, document: object): Promise<void> {
    return this.#write(name, this.#seal.close(JSON.stringify({ name, document }), this.#keyOf(name)));
  }

  remove(name: string): Promise<void> {
    return this.#write(name, '');
  }

  async list(): ReturnType<Vault['list']> {
    const keys = await this.#keys();
    const documents: { name: string; document: object }[] = [];
    for (const key of keys) {
      const answer = await this.#link.run(READ, key, []);
      const sealed = Array.isArray(answer) ? String(answer[2]) : (this.#seen.byKey(key)?.sealed ?? '');
      const opened = this.#open(sealed, key);
      if (opened) documents.push(opened);
    }
    return documents;
  }

  alone<Value>(name: string, signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#turns.take(name, async () => {
      const holder = await this.#lock(name, signal);
      if (holder === undefined) return job();
      const key = this.#keyOf(name);
      const prolong = () => void this.#link.run(PROLONG, key, [holder, LOCK_MS]);
      const prolonging = setInterval(prolong, LOCK_MS / 4).unref();
      this.#held.set(name, holder);
      try {
        await this.#look(name);
        return await job();
      } finally {
        clearInterval(prolonging);
        this.#held.delete(name);
        await this.#link.run(UNLOCK, key, [holder]);
      }
    });
  }

  hold<Value>(work: Promise<Value>): Promise<Value> {
    return this.#unfinished.hold(work);
  }

  async close(): Promise<void> {
    await this.#unfinished.done();
    if (this.#link.up) await this.#bringBack();
    this.#link.close();
  }

  /** What Redis has, or what was seen last where it doesn't answer, or has forgotten it. */
  async #look(name: string): Promise<Seen | undefined> {
    const key = this.#keyOf(name);
    const known = this.#seen.byKey(key);
    const answer = await this.#link.run(READ, key, []);
    if (!Array.isArray(answer)) return known;
    const [version, writer, sealed] = answer as [number, string, string];
    if (known && (version < known.version || writer === known.writer)) {
      if (known.unwritten || version < known.version) await this.#send(key, known, '');
      return known;
    }
    if (version === 0) return undefined;
    if (known?.unwritten) this.#tellSuperseded();
    return this.#seen.keep(key, { version, writer, sealed, mine: false, unwritten: false });
  }

  async #write(name: string, sealed: string): Promise<void> {
    const key = this.#keyOf(name);
    const holder = this.#held.get(name) ?? '';
    // Who holds the lock has looked since then; anybody else does now.
    const version = (holder === '' ? await this.#look(name) : this.#seen.byKey(key))?.version ?? 0;
    const write = { version: version + 1, writer: randomUUID(), sealed, mine: true, unwritten: true };
    await this.#send(key, this.#seen.keep(key, write), holder);
  }

  /** Without an answer it stays unwritten; refused, it is forgotten: what is there is newer. */
  async #send(key: string, seen: Seen, holder: string): Promise<void> {
    const { version, writer, sealed } = seen;
    const answer = await this.#link.run(WRITE, key, [version, writer, sealed, holder, KEEP_MS]);
    if (answer === 1) seen.unwritten = false;
    if (answer !== 0) return;
    this.#seen.forget(key, seen);
    if (seen.unwritten) this.#tellSuperseded();
  }

  /** Also what was written before: Redis may have lost it. */
  async #bringBack(): Promise<void> {
    for (const [key, seen] of this.#seen.all()) {
      if (!this.#link.up) return;
      await this.#send(key, seen, '');
    }
    if (this.#link.up) this.#deps.signals.emit('vault.back', { store: this.#deps.name });
  }

  /** Undefined where there is no Redis, and nobody else can be at it. */
  async #lock(name: string, signal: AbortSignal): Promise<string | undefined> {
    const { clock } = this.#deps;
    const holder = randomUUID();
    const until = clock.monotonic() + LOCK_WAIT_MS;
    let lostAt: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const now = clock.monotonic();
      if (now > until) throw new LockHeld(`the login ${name}`, undefined);
      const answer = now < this.#settledAt ? SETTLE : await this.#link.run(LOCK, this.#keyOf(name), lockWords(holder));
      if (answer === 0) return holder;
      if (answer !== undefined) lostAt = undefined;
      else lostAt ??= now;
      if (lostAt !== undefined && now - lostAt >= LOST_WAIT_MS) return this.#goOnWithout(name);
      await clock.sleep(LOOK_MS * (1 + clock.random()), signal);
    }
  }

  /** Only the one that renewed last may renew next where nobody can be asked: two who use one refresh token lose the login. */
  #goOnWithout(name: string): undefined {
    const seen = this.#seen.byKey(this.#keyOf(name));
    if (!seen || seen.mine || seen.sealed === '') return undefined;
    throw new CredentialError(
      'the store of logins does not answer, and another replica may be renewing this token',
      `Mend the store ${this.#deps.name}; calls succeed as soon as it answers.`,
      { retryAfterMs: LOST_WAIT_MS },
    );
  }

  async #keys(): Promise<readonly string[]> {
    const found = new Set(this.#seen.keys());
    let cursor = '0';
    do {
      const answer = await this.#link.run(SCAN, this.#prefix, [cursor]);
      if (!Array.isArray(answer)) break;
      cursor = String(answer[0]);
      for (const key of answer[1] as string[]) found.add(key);
    } while (cursor !== '0');
    return [...found];
  }

  #open(sealed: string, key: string): { readonly name: string; readonly document: object } | undefined {
    if (sealed === '') return undefined;
    const opened = this.#seal.open(sealed, key);
    if (opened !== undefined) return JSON.parse(opened) as { name: string; document: object };
    const reason = 'it is damaged, or sealed with another vaultKey';
    this.#deps.signals.emit('vault.unreadable', { store: this.#deps.name, reason });
    return undefined;
  }

  #tellSuperseded(): void {
    this.#deps.signals.emit('vault.superseded', { store: this.#deps.name });
  }

  /** Of one length, and without a name in it. */
  #keyOf(name: string): string {
    return `${this.#prefix}${createHash('sha256').update(name).digest('base64url')}`;
  }
}

/** As if another one held the lock for a while. */
const SETTLE = 1;

function lockWords(holder: string): (string | number)[] {
  return [holder, LOCK_MS, KEEP_LOCK_MS];
}

/** Logins in Redis 5 or later. */
const kind: Kind<Vault, RedisOptions, VaultDeps> = {
  options: redisOptions,
  requires: REQUIRES,
  async create(given, deps) {
    if (!given.vaultKey) throw new TypeError('the configuration was not checked: there is no vaultKey');
    const client = await connect(given, DEADLINE_MS);
    const scripts = [READ, WRITE, LOCK, PROLONG, UNLOCK, SCAN];
    const proof = (run: RedisLink['run']) => run(PROVE, `${given.prefix}login-proof`, []);
    const vault = new RedisVault({
      link: (events) => new RedisLink(client, deps, scripts, proof, events),
      prefix: given.prefix,
      seal: new Seal(given.vaultKey.reveal()),
      deps,
    });
    await vault.open();
    return vault;
  },
};

export default kind;
