import type { Redis } from 'ioredis';
import * as z from 'zod';
import { integer, secret } from '../core/schema.js';
import { linkOptions } from './redisLink.js';

/** What limits and logins have in common: one Redis. */
export const redisOptions = z.strictObject({
  /** `redis://` or `rediss://`, without user or password. */
  url: z.string().refine(isRedisUrl, 'must be a redis:// or rediss:// URL without user or password'),
  username: z.string().min(1).optional(),
  password: secret().optional(),
  /** Begins every key. */
  prefix: z.string().max(64).default('drawbridge:'),
  /** How long a killed process keeps its places among the concurrent calls. */
  holdMs: integer(300, 600_000).default(30_000),
  /** What logins are sealed with before they are sent there. */
  vaultKey: secret()
    .refine((key) => key.reveal().length >= 32, 'must have 32 characters or more, all of them random')
    .optional(),
});

export type RedisOptions = z.infer<typeof redisOptions>;

/** Optional peers. */
export const REQUIRES = { ioredis: '^6.0.0' };

/** A client that isn't connected yet. `deadlineMs`: of each command. */
export async function connect({ url, username, password }: RedisOptions, deadlineMs?: number): Promise<Redis> {
  // A bundled CommonJS package has a default export only; so has Node's own view of it.
  const { Redis } = (await import('ioredis')).default;
  const login = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.reveal() }),
  };
  return new Redis(url, linkOptions(login, deadlineMs));
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^rediss?:$/.test(url.protocol) && url.hostname !== '' && !url.username && !url.password;
}
