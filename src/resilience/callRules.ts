import { globs } from '../core/glob.js';
import type { BreakerOptions } from './breakers.js';
import type { CallRules, DestinationFields } from './destinationSchema.js';
import type { OwnRules } from './ownRules.js';
import type { RetryOptions } from './retry.js';

const TEMPORARY: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const SICK: ReadonlySet<number> = new Set([502, 503, 504]);

/** The rules of a destination: its own before those of all; `kind`: those that it names. */
export function callRules(
  general: { readonly retry: RetryOptions; readonly circuitBreaker: BreakerOptions },
  own?: DestinationFields['resilience'],
  kind?: OwnRules,
): CallRules {
  if (!own) {
    return { retry: general.retry, breaker: general.circuitBreaker, temporary: TEMPORARY, sick: SICK, timeouts: true };
  }
  const { safe, never, statuses: temporary, ...retry } = own.retry;
  const { statuses: sick, timeouts, ...breaker } = own.circuitBreaker;
  const repeats = safe.length + never.length > 0 ? repetition(safe, never) : undefined;
  return {
    retry: { ...general.retry, ...retry },
    breaker: { ...general.circuitBreaker, ...breaker },
    temporary: temporary ? new Set(temporary) : TEMPORARY,
    sick: sick ? new Set(sick) : SICK,
    timeouts,
    ...(repeats ? { repeats } : {}),
    ...(kind ? { own: kind } : {}),
  };
}

/** What must never be repeated isn't, whatever else is said of it. */
function repetition(safe: readonly string[], never: readonly string[]): NonNullable<CallRules['repeats']> {
  const [isSafe, isNever] = [globs(safe), globs(never)];
  return (method, name) => {
    const said = (is: (text: string) => boolean) => is(method) || (name !== undefined && is(`${method} ${name}`));
    if (said(isNever)) return false;
    return said(isSafe) ? true : undefined;
  };
}
