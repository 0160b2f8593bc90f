import { createHash } from 'node:crypto';

/** Some models and clients take no longer name (MCP names at most 128). */
const LONGEST = 64;
const DIGITS = 12;
const VISIBLE = LONGEST - DIGITS - 1;
const SAFE = /^[A-Za-z0-9_-]+$/;
/** A name that ends so is never a plain one. */
const HASHED = new RegExp(`_[0-9a-f]{${DIGITS}}$`);

/** Whom a name means: a member and its own name for the thing, or the members of which one may have it. */
export type Meant = { readonly member: string; readonly own: string } | { readonly among: readonly string[] };

/**
 * Names of members' things towards callers. They follow from the configuration and the member's own name alone, so they
 * never depend on who else answers just now, nor on any order:
 *
 * - `<prefix><separator><own name>` where that is safe, short, and read back as this member's;
 * - else the same, cut, and a hash of member and own name behind it.
 *
 * What might be read as another member's name (`a` + `b_c` beside a member `a_b`), or as a hashed one, is hashed; so no two
 * things meet, and a plain name is read back without asking anybody.
 */
export class Names {
  /** What stands before a member's own names; the longest first. */
  readonly #leads: readonly (readonly [member: string, lead: string])[];

  constructor(leads: ReadonlyMap<string, string>) {
    this.#leads = [...leads].sort(([, one], [, other]) => other.length - one.length);
  }

  exposed(member: string, own: string): string {
    const lead = this.#leads.find(([name]) => name === member)?.[1] ?? '';
    const plain = `${lead}${own}`;
    const isPlain = plain.length <= LONGEST && SAFE.test(plain) && !HASHED.test(plain);
    return isPlain && this.#reads(plain) === member ? plain : hashed(plain, member, own);
  }

  /** Undefined for what is nobody's. */
  meant(name: string): Meant | undefined {
    if (HASHED.test(name)) {
      const among = this.#leads.filter(([, lead]) => name.startsWith(lead)).map(([member]) => member);
      return among.length > 0 ? { among } : undefined;
    }
    const member = this.#reads(name);
    const lead = this.#leads.find(([each]) => each === member)?.[1];
    if (member === undefined || lead === undefined) return undefined;
    const own = name.slice(lead.length);
    // What isn't safe or short was never shown so.
    return this.exposed(member, own) === name ? { member, own } : undefined;
  }

  /** The longest lead wins. */
  #reads(name: string): string | undefined {
    return this.#leads.find(([, lead]) => name.length > lead.length && name.startsWith(lead))?.[0];
  }
}

function hashed(plain: string, member: string, own: string): string {
  const digits = createHash('sha256')
    .update(JSON.stringify([member, own]))
    .digest('hex')
    .slice(0, DIGITS);
  return `${plain.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, VISIBLE)}_${digits}`;
}
