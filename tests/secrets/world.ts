import type { Kind, SecretDeps, SecretManager } from '../../src/contracts.js';
import { SecretError } from '../../src/secrets/secretError.js';
import { createRest, type Rest } from '../../src/wire/rest.js';
import { SteppedClock } from '../credentials/steppedClock.js';

/** What a manager is made with: a clock that is stepped, sockets that are real. */
export interface World {
  readonly clock: SteppedClock;
  readonly rest: Rest;
  /** A manager by options as a configuration has them. */
  create<Options>(
    kind: Kind<SecretManager, Options, SecretDeps>,
    options: unknown,
    env?: Record<string, string>,
  ): Promise<SecretManager>;
}

export function createWorld(): World {
  const clock = new SteppedClock();
  const rest = createRest();
  return {
    clock,
    rest,
    create: async (kind, options, env = {}) => kind.create(kind.options.parse(options), { clock, rest, env }),
  };
}

export const SIGNAL = new AbortController().signal;

/** The message and the hint of a reading that must fail, and whether it may pass. */
export async function failure(reading: Promise<unknown>): Promise<[message: string, mend: string, passing: boolean]> {
  const error = await reading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SecretError)) throw error ?? new Error('it was read');
  return [error.message, error.mend, error.passing];
}
