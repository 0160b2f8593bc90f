import * as z from 'zod';
import { httpUrl, secret } from '../core/schema.js';
import { proofFields } from './clientProof.js';

/** Where tokens are asked for, and how the client proves itself there: the options of every grant that no person starts. */
export const clientFields = {
  tokenUrl: httpUrl(),
  clientId: z.string().min(1),
  clientSecret: secret().optional(),
  /** How the client proves itself: secret in the body, secret in a header, a signed assertion, or a certificate. */
  authentication: z.enum(['form', 'basic', 'private_key_jwt', 'tls']).default('form'),
  ...proofFields,
  /** How the request's body is written. */
  format: z.enum(['form', 'json']).default('form'),
};

/** What a token is asked for: the options that every grant shares. */
export const askedFields = {
  scope: z.string().min(1).optional(),
  audience: z.string().min(1).optional(),
  /** RFC 8707. */
  resource: z.string().min(1).optional(),
  /** Further parameters that the provider asks for. */
  parameters: z.record(z.string(), z.string()).default({}),
};
