import type { Keep } from './restTenant.js';

/** What every resource of its kind can do, at `base` and `base/{id}`. `patch` takes JSON Patch, `put` the whole. */
export type Ability = 'list' | 'get' | 'create' | 'patch' | 'put' | 'delete';

/** One resource of the REST interface, as the interface has it: nothing is listed that isn't there. */
export interface Resource {
  readonly base: string;
  /** The variable that names one of them. */
  readonly id: string;
  readonly can: readonly Ability[];
  /** Further endpoints: what they are for → method and path below `base`. */
  readonly more?: Readonly<Record<string, string>>;
  readonly keep?: Keep;
  /** Parameter of the list by which it is narrowed: SCIM (RFC 7644) where it is `filter`. */
  readonly filter?: 'filter' | 'query' | 'name' | 'baseNameWildcard';
  /** What a model is shown of one; `shown=path.to.it` where it stands elsewhere. All else stays here, secrets included. */
  readonly fields: readonly string[];
  /** What is shown besides of a single one. */
  readonly details?: readonly string[];
}
