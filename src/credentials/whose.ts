import * as z from 'zod';

/** The option `for` of a credential: one token for everybody, or one for each caller. */
export const whose = z.enum(['gateway', 'caller']).default('gateway');
