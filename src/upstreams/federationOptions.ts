import * as z from 'zod';
import { integer } from '../core/schema.js';
import { selectionFields } from './toolSelection.js';

/** What stands in front of a name besides letters and digits. */
const SAFE = /^[A-Za-z0-9_-]*$/;
/** So that most of a name of 64 characters is left for the tool's own. */
const LONGEST_PREFIX = 32;
const LONGEST_SEPARATOR = 4;
const DAY_MS = 86_400_000;
const MOST_MEMBERS = 100;

const memberOptions = z.strictObject({
  /** What stands before the names of its tools and prompts, instead of its own name; empty: nothing. */
  as: z.string().max(LONGEST_PREFIX).regex(SAFE, 'must be letters, digits, _ and -').optional(),
  ...selectionFields,
});

const members = z
  .union([z.array(z.string()), z.record(z.string(), memberOptions)])
  .refine((given) => namesOf(given).length > 0, 'must name a destination')
  .refine((given) => namesOf(given).length <= MOST_MEMBERS, `must be at most ${MOST_MEMBERS} destinations`)
  .refine((given) => {
    const prefixes = namesOf(given).map((name) => prefixOf(name, Array.isArray(given) ? undefined : given[name]));
    return new Set(prefixes).size === prefixes.length;
  }, 'two members have the same prefix: give one of them another with `as`');

export const federationOptions = z.strictObject({
  /** The destinations that are shown as one: their names in order, or an object from name to what is said of it. */
  members,
  ...selectionFields,
  /** Stands between a member's prefix and the name of its tool. */
  separator: z.string().min(1).max(LONGEST_SEPARATOR).regex(SAFE, 'must be letters, digits, _ and -').default('_'),
  /** So long a list waits for each member. */
  listMs: integer(1, DAY_MS).prefault(5_000),
  /** So long the last list of a member that doesn't answer is shown. */
  graceMs: integer(0, DAY_MS).prefault(300_000),
});

export type FederationOptions = z.infer<typeof federationOptions>;
export type MemberOptions = z.infer<typeof memberOptions>;

function namesOf(given: readonly string[] | Readonly<Record<string, unknown>>): readonly string[] {
  return Array.isArray(given) ? given : Object.keys(given);
}

/** A destination's name may hold what a tool's must not, and be longer than is of use. */
export function prefixOf(name: string, options: MemberOptions | undefined): string {
  return options?.as ?? name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, LONGEST_PREFIX);
}

const PLAIN: MemberOptions = { exclude: [] };

/** The members in their order, in the long form. */
export function membersOf({ members: given }: FederationOptions): ReadonlyMap<string, MemberOptions> {
  return new Map(Array.isArray(given) ? given.map((name) => [name, PLAIN] as const) : Object.entries(given));
}
