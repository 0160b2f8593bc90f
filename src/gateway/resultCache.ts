import type { Clock, Flow, Reply, Route, Sink, Stage } from '../contracts.js';
import { isEventStream } from '../wire/headers.js';
import { type Answer, LARGEST, mayKeep, readAnswer } from './resultCacheAnswer.js';
import { type Asked, askedFor } from './resultCacheKey.js';
import type { ResultCacheOptions } from './resultCacheSchema.js';

export interface RecallDeps {
  readonly clock: Pick<Clock, 'now'>;
  /** True where what is shown upstream is the caller's own (its credential, or headers of its own that are forwarded): nothing is shared then. */
  personal(route: Route): boolean;
}

export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
}

/** The result cache: its stage, and what else feeds and reads it. */
export interface Recall {
  readonly stage: Stage;
  /** Bytes of an event stream of that destination, which may say that what is kept has changed. The stage does this for what passes it. */
  sees(destination: string, chunk: Buffer): void;
  /** Forgets what is kept of a destination: it has changed, and nobody may have listened. */
  changed(destination: string): void;
  stats(): CacheStats;
  /** Questions so far, by destination. */
  asked(): ReadonlyMap<string, Questions>;
  /** Forgets everything; how many entries went. */
  clear(): number;
}

export interface Questions {
  hits: number;
  misses: number;
}

/** What an answer costs besides its bytes. */
const OVERHEAD = 300;
/** `notifications/<kind>/list_changed` and `notifications/resources/updated`, however their slashes are escaped. */
const NEWS = ['list_changed"', '/updated"'];
/** The longest piece of news that one chunk can leave to the next. */
const CARRIED = Math.max(...NEWS.map((text) => text.length)) - 1;

interface Entry extends Answer {
  readonly destination: string;
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly bytes: number;
}

/** Answers by key, and which of them go when there is no room: those that were asked for least recently. */
class Shelf {
  readonly #options: ResultCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #keys = new Map<string, Set<string>>();
  #bytes = 0;

  constructor(options: ResultCacheOptions) {
    this.#options = options;
  }

  get destinations(): Iterable<string> {
    return this.#keys.keys();
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.#entries.size, bytes: this.#bytes };
  }

  get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (now >= entry.expiresAt || now < entry.storedAt) {
      this.#delete(key, entry);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  set(key: string, entry: Entry): void {
    const old = this.#entries.get(key);
    if (old) this.#delete(key, old);
    if (entry.bytes > this.#options.maxBytes || this.#options.maxEntries === 0) return;
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    const keys = this.#keys.get(entry.destination) ?? new Set();
    this.#keys.set(entry.destination, keys.add(key));
    for (const [oldest, lost] of this.#entries) {
      if (this.#bytes <= this.#options.maxBytes && this.#entries.size <= this.#options.maxEntries) break;
      this.#delete(oldest, lost);
    }
  }

  forget(destination: string): void {
    for (const key of this.#keys.get(destination) ?? []) {
      const entry = this.#entries.get(key);
      if (entry) this.#delete(key, entry);
    }
  }

  clear(): number {
    const count = this.#entries.size;
    this.#entries.clear();
    this.#keys.clear();
    this.#bytes = 0;
    return count;
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    const keys = this.#keys.get(entry.destination);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(entry.destination);
  }
}

/**
 * Answers from what an upstream said before, where the protocol lets it (2026-07-28, Caching). It stands behind
 * `authorize`, so whoever gets an answer from here was let through for this very call; and it keeps what the upstream said,
 * so a list is filtered for each caller on its way out.
 */
export function createRecall(options: ResultCacheOptions, deps: RecallDeps): Recall {
  const cache = new ResultCache(options, deps);
  return {
    stage: (exchange, next) => {
      const { route } = exchange;
      if (!route) return next(exchange);
      const asked = askedFor(exchange, options, deps.personal(route));
      const hit = asked && cache.find(asked);
      if (hit) return hit;
      const since = cache.changes(route.destination);
      const reply = next(exchange);
      if (!(reply instanceof Promise)) return cache.pass(reply, route.destination, asked, since);
      return reply.then((later) => cache.pass(later, route.destination, asked, since));
    },
    sees: (destination, chunk) => cache.sees(destination, chunk),
    changed: (destination) => cache.changed(destination),
    stats: () => cache.stats(),
    asked: () => cache.asked,
    clear: () => cache.clear(),
  };
}

class ResultCache {
  readonly #deps: RecallDeps;
  readonly #shelf: Shelf;
  /** How often each destination told of a change: an answer that was asked for before is old when it comes. */
  readonly #changes = new Map<string, number>();
  readonly #asked = new Map<string, Questions>();

  constructor(options: ResultCacheOptions, deps: RecallDeps) {
    this.#deps = deps;
    this.#shelf = new Shelf(options);
  }

  get asked(): ReadonlyMap<string, Questions> {
    return this.#asked;
  }

  stats(): CacheStats {
    const all = [...this.#asked.values()];
    const hits = all.reduce((sum, asked) => sum + asked.hits, 0);
    return { hits, misses: all.reduce((sum, asked) => sum + asked.misses, 0), ...this.#shelf.size };
  }

  /** What is under way belongs to the time before, too. */
  clear(): number {
    for (const destination of this.#shelf.destinations) this.#turn(destination);
    return this.#shelf.clear();
  }

  changes(destination: string): number {
    return this.#changes.get(destination) ?? 0;
  }

  sees(destination: string, chunk: Buffer): void {
    if (NEWS.some((text) => chunk.includes(text))) this.changed(destination);
  }

  changed(destination: string): void {
    this.#turn(destination);
    this.#shelf.forget(destination);
  }

  #turn(destination: string): void {
    this.#changes.set(destination, this.changes(destination) + 1);
  }

  find(asked: Asked): Reply | undefined {
    const now = this.#deps.clock.now();
    const entry =
      this.#shelf.get(asked.privateKey, now) ??
      (asked.publicKey === undefined ? undefined : this.#shelf.get(asked.publicKey, now));
    this.#count(asked.destination, entry ? 'hits' : 'misses');
    if (!entry) return undefined;
    const body = Buffer.concat([entry.before, Buffer.from(JSON.stringify(asked.id)), entry.behind]);
    const age = String(Math.floor((now - entry.storedAt) / 1000));
    const headers = ['content-type', 'application/json', 'content-length', String(body.length), 'age', age];
    return { status: 200, headers, body, origin: 'cache' };
  }

  #count(destination: string, what: keyof Questions): void {
    const questions = this.#asked.get(destination) ?? { hits: 0, misses: 0 };
    questions[what] += 1;
    this.#asked.set(destination, questions);
  }

  /** An answer on its way to the caller, unchanged: listened to where it is a stream, kept where it may be. */
  pass(reply: Reply, destination: string, asked: Asked | undefined, since: number): Reply {
    const keeps = asked !== undefined && mayKeep(reply);
    const keep = (body: Buffer) => asked && this.#keep(body, reply, asked, since);
    if (Buffer.isBuffer(reply.body)) {
      if (keeps) keep(reply.body);
      return reply;
    }
    const { body } = reply;
    const streams = reply.origin === 'upstream' && isEventStream(reply.headers);
    if (typeof body !== 'function' || !(keeps || streams)) return reply;
    const ears = streams ? (chunk: Buffer) => this.sees(destination, chunk) : undefined;
    return { ...reply, body: (sink): Flow => body(new Listening(sink, ears, keeps ? keep : undefined)) };
  }

  #keep(body: Buffer, reply: Reply, asked: Asked, since: number): void {
    if (body.length > LARGEST || this.changes(asked.destination) !== since) return;
    const answer = readAnswer(body, reply.headers, asked);
    if (!answer) return;
    const key = answer.shared && asked.publicKey !== undefined ? asked.publicKey : asked.privateKey;
    const now = this.#deps.clock.now();
    const bytes = answer.before.length + answer.behind.length + OVERHEAD;
    const { destination } = asked;
    this.#shelf.set(key, { ...answer, destination, storedAt: now, expiresAt: now + answer.ttlMs, bytes });
  }
}

/** Passes a body on as it comes, and hands over a copy once it is whole. */
class Listening implements Sink {
  readonly #sink: Sink;
  readonly #ears: ((chunk: Buffer) => void) | undefined;
  #keep: ((body: Buffer) => void) | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** The end of the chunk before, which may hold the first half of a word. */
  #carried = Buffer.alloc(0);

  constructor(sink: Sink, ears: ((chunk: Buffer) => void) | undefined, keep: ((body: Buffer) => void) | undefined) {
    this.#sink = sink;
    this.#ears = ears;
    this.#keep = keep;
  }

  write(chunk: Buffer): boolean {
    this.#take(chunk);
    return this.#sink.write(chunk);
  }

  end(chunk?: Buffer): void {
    if (chunk) this.#take(chunk);
    this.#keep?.(Buffer.concat(this.#chunks));
    this.#letGo();
    this.#sink.end(chunk);
  }

  /** A part isn't kept. */
  fail(reason: Error): void {
    this.#letGo();
    this.#sink.fail(reason);
  }

  #take(chunk: Buffer): void {
    if (this.#ears) this.#listen(chunk, this.#ears);
    if (!this.#keep) return;
    this.#bytes += chunk.length;
    if (this.#bytes > LARGEST) this.#letGo();
    else this.#chunks.push(chunk);
  }

  #listen(chunk: Buffer, ears: (chunk: Buffer) => void): void {
    ears(chunk);
    if (this.#carried.length > 0) ears(Buffer.concat([this.#carried, chunk.subarray(0, CARRIED)]));
    const from = chunk.length >= CARRIED ? chunk : Buffer.concat([this.#carried, chunk]);
    this.#carried = Buffer.from(from.subarray(Math.max(0, from.length - CARRIED)));
  }

  #letGo(): void {
    this.#keep = undefined;
    this.#chunks = [];
  }
}
