import type { Owner, Principal } from '../contracts.js';

/**
 * The one key under which anything is cached, limited, broken or held: whose it is (tenant, subject), then what it is about.
 * `owner` is null for what the gateway holds on its own behalf. JSON keeps the parts apart whatever characters they
 * hold, so that no choice of names makes two keys meet.
 */
export function scopeKey(owner: Owner | null, ...parts: readonly string[]): string {
  return JSON.stringify([owner?.tenant ?? null, owner?.subject ?? null, ...parts]);
}

/** Of all that is known of a caller, whose a thing is: keys and lists of owners are made of no more. */
export function ownerOf({ subject, tenant }: Principal): Owner {
  return tenant === undefined ? { subject } : { subject, tenant };
}
