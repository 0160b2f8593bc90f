import type { Proof } from '../contracts.js';
import { Secret } from './secret.js';

/** A token that somebody proved itself with; it prints as `[redacted]`. */
export class CallerProof extends Secret implements Proof {
  readonly id: string;
  readonly expiresAt?: number;

  /** `expiresAt`: epoch seconds, as claims have it (RFC 7519 section 4.1.4). */
  constructor(token: string, id: string, expiresAt: unknown) {
    super(token);
    this.id = id;
    if (typeof expiresAt === 'number') this.expiresAt = expiresAt * 1000;
  }
}
