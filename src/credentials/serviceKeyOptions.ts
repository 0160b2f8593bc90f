import * as z from 'zod';
import { ConfigError, CredentialError } from '../core/errors.js';
import { whose } from './whose.js';

/** What a service key's credential and its shorthand destination have in common. */
export const keyFileFields = {
  /** The key's JSON file; a relative name starts from the folder of the configuration. */
  file: z.string().min(1),
  /** A key doesn't say which grant its service wants. */
  grant: z.enum(['client-credentials', 'authorization-code', 'jwt-bearer']).default('client-credentials'),
  /** Whose the token of `authorization-code` is: one for everybody, or one for each caller. */
  for: whose,
  scope: z.string().min(1).optional(),
};

/** To be run after the schema: an application's token is nobody's own. */
export function checkGrant(given: { readonly grant: string; readonly for: string }, context: z.RefinementCtx): void {
  if (given.for === 'gateway' || given.grant === 'authorization-code') return;
  context.addIssue({ code: 'custom', path: ['for'], message: 'must be gateway where no person logs in' });
}

/** While a configuration is read, a key that can't be used is a fault of the configuration. */
export function orConfigError(file: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CredentialError)) throw error;
    throw new ConfigError([{ file, path: '', message: error.message, hint: error.mend, severity: 'fault' }]);
  };
}
