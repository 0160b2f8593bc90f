import * as z from 'zod';
import type { Rate } from '../resilience/tokenBucket.js';

const PERIODS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const GRAMMAR = /^([1-9]\d{0,8})\/([smhd])(?: burst ([1-9]\d{0,8}))?$/;

/** `600/m burst 50`: so many per second, minute, hour or day; a bucket holds the burst, or the count where none is given. */
export function parseRate(text: string): Rate | undefined {
  const [, count, period, burst] = GRAMMAR.exec(text) ?? [];
  if (count === undefined || period === undefined) return undefined;
  return { count: Number(count), periodMs: PERIODS[period] as number, burst: Number(burst ?? count) };
}

/** A rate as a configuration writes it. */
export function rate() {
  return z.string().transform((text, context) => {
    const parsed = parseRate(text);
    if (parsed) return parsed;
    context.addIssue({
      code: 'custom',
      message: 'must be a rate such as 600/m or 100/s burst 20: <count>/<s|m|h|d>, then perhaps burst <count>',
    });
    return z.NEVER;
  });
}

/** What a rule is about. A name that is absent means any. */
export interface CallPattern {
  readonly destination: string;
  readonly method: string;
  readonly name: string | undefined;
}

const PATTERN = /^([A-Za-z0-9*][\w.*-]{0,63})\/([\w$*][\w$/.*-]{0,127})(?::(.{1,256}))?$/su;

/** `<destination glob>/<method glob>[:<name glob>]`: neither a destination nor a method holds a colon, so a name may. */
export function parseCallPattern(text: string): CallPattern | undefined {
  const [, destination, method, name] = PATTERN.exec(text) ?? [];
  return destination === undefined || method === undefined ? undefined : { destination, method, name };
}
