import type { AuthToken, Clock } from '../contracts.js';

/** A token and the moments that matter to whoever uses it. Epoch milliseconds. */
export interface Held {
  readonly token: AuthToken;
  /** From here on a new one is fetched while this one still serves. */
  readonly refreshAt: number;
  /** From here on it might end on its way to the upstream. */
  readonly usableUntil: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/**
 * The margins shrink with short lives; the jitter keeps replicas from refreshing in step. A token that ends with what it was
 * made from (`endsAt`) serves to the last: no longer-lived one is to be had.
 */
export function hold(token: AuthToken, random: Clock['random'], endsAt = Number.POSITIVE_INFINITY): Held {
  const { expiresAt, obtainedAt } = token;
  if (expiresAt === endsAt && Number.isFinite(endsAt)) return { token, refreshAt: expiresAt, usableUntil: expiresAt };
  const life = expiresAt - obtainedAt;
  const ahead = margin(life) * (1 + random() * JITTER);
  const reserve = Math.min(10 * SECOND, life * 0.05);
  return { token, refreshAt: expiresAt - ahead, usableUntil: expiresAt - reserve };
}

/** The token, made to end with what it was made from. Epoch milliseconds. */
export function endWith(token: AuthToken, endsAt: number): AuthToken {
  return token.expiresAt <= endsAt ? token : { ...token, expiresAt: endsAt };
}

const JITTER = 0.1;

function margin(life: number): number {
  return Math.max(SECOND, Math.min(5 * MINUTE, life * 0.2));
}

/** From here on a kept token is not worth handing out anew, since `hold` would ask for another at once. Epoch milliseconds. */
export function renewAt({ obtainedAt, expiresAt }: Pick<AuthToken, 'obtainedAt' | 'expiresAt'>): number {
  return expiresAt - margin(expiresAt - obtainedAt) * (1 + JITTER);
}
