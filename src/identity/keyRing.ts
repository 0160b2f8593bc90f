import type { ApiKey, KeyRing, NewKey } from '../contracts/callers.js';
import type { Clock, Signals } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import { hasEnded } from './apiKey.js';
import { generateKey, hashKey, randomText } from './apiKeyFormat.js';
import { MOST_KEYS, readKeys, recordSchema, versionOf, withLock, writeKeys } from './keyFile.js';

export interface KeyRingDeps {
  readonly clock: Clock;
  readonly signals: Signals;
}

/** How long a change of the file may go unseen. Milliseconds. */
const LOOK_EVERY_MS = 500;

/** How long a key that ended stays listed. Milliseconds. */
const KEEP_ENDED_MS = 90 * 24 * 3_600_000;

const ID_LENGTH = 12;

/**
 * The API keys in a JSON file that several processes share: what one of them changes, the others see within a second. No file: no
 * keys. A file that can't be used leaves the keys that were known, and says so (`keys.unreadable`).
 */
export function openKeyRing(file: string, deps: KeyRingDeps): KeyRing {
  return new FileKeyRing(file, deps);
}

class FileKeyRing implements KeyRing {
  readonly #file: string;
  readonly #deps: KeyRingDeps;
  #keys: readonly ApiKey[] = [];
  #byHash: ReadonlyMap<string, ApiKey> = new Map();
  #version: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(file: string, deps: KeyRingDeps) {
    this.#file = file;
    this.#deps = deps;
    this.#look();
  }

  list(): readonly ApiKey[] {
    this.#look();
    return this.#keys;
  }

  find(hash: string): ApiKey | undefined {
    this.#look();
    const record = this.#byHash.get(hash);
    return record && !hasEnded(record, this.#deps.clock.now()) ? record : undefined;
  }

  create(wanted: NewKey): Promise<{ readonly key: string; readonly record: ApiKey }> {
    return this.#change((keys) => {
      const made = issue(wanted, this.#deps.clock.now());
      return { keys: [...keys, made.record], answer: made };
    });
  }

  rotate(id: string, overlapMs: number): Promise<{ readonly key: string; readonly record: ApiKey }> {
    return this.#change((keys) => {
      const now = this.#deps.clock.now();
      const old = keys.find((record) => record.id === id);
      if (!old || hasEnded(old, now))
        throw new GatewayError('NOT_FOUND', 'there is no such API key', {
          hint: 'List the keys; one that ended stays so.',
        });
      const made = issue(rightsOf(old), now);
      const end = Math.min(now + Math.max(0, Math.round(overlapMs)), old.expiresAt ?? Number.POSITIVE_INFINITY);
      const rest = keys.map((record) => (record === old ? { ...old, expiresAt: end } : record));
      return { keys: [...rest, made.record], answer: made };
    });
  }

  revoke(id: string): Promise<boolean> {
    return this.#change((keys) => {
      const now = this.#deps.clock.now();
      const old = keys.find((record) => record.id === id && record.revokedAt === undefined);
      if (!old) return { answer: false };
      return { keys: keys.map((record) => (record === old ? { ...old, revokedAt: now } : record)), answer: true };
    });
  }

  /** Reads the file as it is now, whoever wrote it last, and replaces it. A file that can't be used is never overwritten. */
  #change<Answer>(
    change: (keys: readonly ApiKey[]) => { readonly keys?: readonly ApiKey[]; readonly answer: Answer },
  ): Promise<Answer> {
    return withLock(this.#file, this.#deps.clock, async () => {
      const { keys, answer } = change(this.#readForChange());
      if (!keys) return answer;
      const kept = keys.filter((record) => !endedLongAgo(record, this.#deps.clock.now()));
      if (kept.length > MOST_KEYS)
        throw new GatewayError('INVALID_REQUEST', `there are ${MOST_KEYS} API keys already`, {
          hint: 'Revoke those that nobody uses.',
        });
      await writeKeys(this.#file, kept);
      this.#lookedAt = Number.NEGATIVE_INFINITY;
      this.#look();
      return answer;
    });
  }

  #readForChange(): ApiKey[] {
    try {
      return readKeys(this.#file);
    } catch (cause) {
      throw new GatewayError('INTERNAL', 'the file of API keys cannot be used', {
        hint: 'Mend it, or put it aside: nothing was changed.',
        cause,
      });
    }
  }

  /** Synchronous on purpose: an answer from before the change must not pass for the one after it. It is one `stat` twice a second. */
  #look(): void {
    const now = this.#deps.clock.monotonic();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    let version = 'out of reach';
    try {
      version = versionOf(this.#file);
      if (version === this.#version) return;
      this.#keys = readKeys(this.#file);
      this.#byHash = new Map(this.#keys.map((record) => [record.hash, record]));
    } catch (error) {
      if (version === this.#version) return;
      const reason = errorCode(error) ?? (error as Error).message;
      this.#deps.signals.emit('keys.unreadable', { file: this.#file, reason });
    }
    this.#version = version;
  }
}

function endedLongAgo(record: ApiKey, now: number): boolean {
  return hasEnded(record, now - KEEP_ENDED_MS);
}

/** A key and what is kept of it. */
function issue(wanted: NewKey, now: number): { readonly key: string; readonly record: ApiKey } {
  const key = generateKey();
  const { name, tenant, destinations, expiresInMs } = wanted;
  if (expiresInMs !== undefined && !(expiresInMs > 0)) throw notAKey('expiresInMs');
  const record = {
    id: randomText(ID_LENGTH),
    name,
    hash: hashKey(key),
    ...(tenant === undefined ? {} : { tenant }),
    roles: [...(wanted.roles ?? [])],
    ...(destinations === undefined ? {} : { destinations: [...destinations] }),
    createdAt: now,
    ...(expiresInMs === undefined ? {} : { expiresAt: now + Math.round(expiresInMs) }),
  };
  const parsed = recordSchema.safeParse(record);
  if (!parsed.success) throw notAKey(parsed.error.issues[0]?.path.join('.') ?? 'it');
  return { key, record };
}

function notAKey(field: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `${field} is not what an API key can have`, {
    hint: 'Names, tenants, roles and destinations are texts of up to 256 characters; an expiry lies in the future.',
  });
}

/** The rights of a key, for the one that takes its place; a limited life starts anew. */
function rightsOf({ name, tenant, roles, destinations, createdAt, expiresAt }: ApiKey): NewKey {
  return {
    name,
    roles,
    ...(tenant === undefined ? {} : { tenant }),
    ...(destinations === undefined ? {} : { destinations }),
    ...(expiresAt === undefined ? {} : { expiresInMs: expiresAt - createdAt }),
  };
}
