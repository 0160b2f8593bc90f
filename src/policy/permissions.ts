import type { Permissions, Verdict } from '../contracts/callers.js';
import type { McpCall, Principal } from '../contracts.js';
import { globs } from '../core/glob.js';
import { scopeKey } from '../core/scopeKey.js';
import { Facts } from './facts.js';
import type { PermissionsOptions } from './permissionsSchema.js';
import {
  allButArguments,
  allows,
  callerAndDestination,
  compileRoles,
  denies,
  everything,
  type Grant,
  type Known,
  type Role,
} from './roles.js';
import { mustName, nameOf, Rule } from './rules.js';

/** Permissions that also know which destinations exist for a caller. */
export interface PermissionPolicy extends Permissions {
  /** False: for this caller the destination doesn't exist. */
  sees(principal: Principal | undefined, destination: string): boolean;
}

/**
 * Who may call what. Without options, every caller may do whatever its proof isn't confined from.
 * @throws PermissionsError for conditions that can't be compiled, all of them at once
 */
export async function createPermissions(options?: PermissionsOptions): Promise<PermissionPolicy> {
  return new Policy(options, options ? await compileRoles(options.roles) : new Map());
}

const ALLOWED: Verdict = { allowed: true };
const REFUSED: Verdict = { allowed: false };

/** What each caller of a destination may: the protocol doesn't work without. */
const BASICS: ReadonlySet<string> = new Set(['initialize', 'ping', 'server/discover', 'logging/setLevel']);

/** Of grants and decisions. When there are more, all of them are forgotten: a flood of names fills nothing. */
const MOST_REMEMBERED = 10_000;
/** What has a longer name isn't remembered. */
const LONGEST_KEY = 256;

/** What some callers' rights say about one call: the verdict, or the rules whose conditions have to be asked. */
interface Decision {
  /** What it comes to when the conditions allow it. */
  readonly verdict: Verdict;
  readonly deny: readonly Grant[];
  /** Undefined where no condition has to be met. */
  readonly allow: readonly Grant[] | undefined;
}

/** What some callers' rights say about one destination. */
interface Reach {
  readonly allow: readonly Grant[];
  readonly deny: readonly Grant[];
  readonly visible: boolean | 'conditionally';
  readonly decisions: Map<string, Decision>;
}

/** By destination. Callers with the same roles, tenant, scopes and confinement share what was found out for them. */
type Rights = Map<string, Reach>;

class Policy implements PermissionPolicy {
  readonly open: boolean;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #defaults: readonly string[];
  readonly #scopes: readonly { readonly rule: Rule; readonly scopes: readonly string[] }[];
  readonly #tenants: readonly { readonly name: string; owns(destination: string): boolean }[];
  readonly #nobody: Rights = new Map();
  #rights = new Map<string, Rights>();
  #rightsOf = new WeakMap<Principal, Rights>();
  #remembered = 0;
  #last: { principal: Principal | undefined; destination: string; reach: Reach } | undefined = undefined;

  constructor(options: PermissionsOptions | undefined, roles: ReadonlyMap<string, Role>) {
    this.open = options === undefined;
    this.#roles = roles;
    this.#defaults = options?.default ?? [];
    this.#scopes = Object.entries(options?.scopes ?? {}).map(([rule, scopes]) => ({
      rule: new Rule(rule),
      scopes: typeof scopes === 'string' ? [scopes] : scopes,
    }));
    this.#tenants = Object.entries(options?.tenants ?? {}).map(([name, { destinations }]) => ({
      name,
      owns: globs(destinations),
    }));
  }

  sees(principal: Principal | undefined, destination: string): boolean {
    if (this.open && principal?.destinations === undefined) return true;
    return isVisible(this.#reach(principal, destination), principal, destination);
  }

  decide(principal: Principal | undefined, destination: string, call: McpCall): Verdict {
    if (this.open) return this.sees(principal, destination) ? ALLOWED : REFUSED;
    const reach = this.#reach(principal, destination);
    if (!isVisible(reach, principal, destination)) return REFUSED;
    if (call.kind === 'stream' || call.kind === 'end' || call.kind === 'response') return ALLOWED;
    // A batch has no method: its messages are decided one by one.
    if (call.method === undefined) return REFUSED;
    const name = nameOf(call);
    const decision = this.#decision(reach, principal, destination, call.method, name);
    if (isUnconditional(decision)) return decision.verdict;
    return conclude(decision, new Facts(principal, destination, call.method, name, call), everything);
  }

  mayUse(principal: Principal | undefined, destination: string, method: string, name: string): boolean {
    if (this.open) return this.sees(principal, destination);
    const reach = this.#reach(principal, destination);
    if (!isVisible(reach, principal, destination)) return false;
    const decision = this.#decision(reach, principal, destination, method, name);
    const verdict = isUnconditional(decision)
      ? decision.verdict
      : conclude(decision, new Facts(principal, destination, method, name), allButArguments);
    // What only lacks a scope is shown: calling it is how a client learns which.
    return verdict.allowed || 'scopes' in verdict;
  }

  /** Every call asks three times in a row. */
  #reach(principal: Principal | undefined, destination: string): Reach {
    const last = this.#last;
    if (last !== undefined && last.principal === principal && last.destination === destination) return last.reach;
    const reaches = this.#rightsFor(principal);
    const known = reaches.get(destination);
    const reach = known ?? this.#explore(principal, destination);
    if (!known) this.#remember(reaches, destination, reach);
    this.#last = { principal, destination, reach };
    return reach;
  }

  #rightsFor(principal: Principal | undefined): Rights {
    if (!principal) return this.#nobody;
    const known = this.#rightsOf.get(principal);
    if (known) return known;
    const { tenant = null, roles, destinations = null, scopes = null } = principal;
    const key = scopeKey(null, JSON.stringify([tenant, roles, destinations, scopes]));
    const rights = this.#rights.get(key) ?? new Map<string, Reach>();
    this.#remember(this.#rights, key, rights);
    this.#rightsOf.set(principal, rights);
    return rights;
  }

  #explore(principal: Principal | undefined, destination: string): Reach {
    const held = principal ? new Set([...this.#defaults, ...principal.roles]) : new Set<string>();
    const roles = [...held].flatMap((name) => this.#roles.get(name) ?? []);
    const here = ({ rule }: Grant) => rule.concerns(destination);
    const allow = roles.flatMap((role) => role.allow.filter(here));
    const deny = roles.flatMap((role) => role.deny.filter(here));
    const visible = this.#isReachable(principal, destination) && (this.open || visibility(allow, deny));
    return { allow, deny, visible, decisions: new Map() };
  }

  /** By tenant and by what the proof itself is confined to. */
  #isReachable(principal: Principal | undefined, destination: string): boolean {
    const owners = this.#tenants.filter((tenant) => tenant.owns(destination));
    if (owners.length > 0 && !owners.some(({ name }) => name === principal?.tenant)) return false;
    return principal?.destinations === undefined || globs(principal.destinations)(destination);
  }

  #decision(
    reach: Reach,
    principal: Principal | undefined,
    destination: string,
    method: string,
    name: string | undefined,
  ): Decision {
    // The length keeps the two apart, whatever characters a caller puts into them.
    const key = name === undefined ? `-${method}` : `${method.length}:${method}${name}`;
    const known = reach.decisions.get(key);
    if (known) return known;
    const decision = this.#find(reach, principal, destination, method, name);
    if (key.length <= LONGEST_KEY) this.#remember(reach.decisions, key, decision);
    return decision;
  }

  #find(
    reach: Reach,
    principal: Principal | undefined,
    destination: string,
    method: string,
    name: string | undefined,
  ): Decision {
    if (name === undefined && mustName(method)) return decided(REFUSED);
    const meant = ({ rule }: Grant) => rule.means(method, name);
    const deny = reach.deny.filter(meant);
    if (deny.some(isPlain)) return decided(REFUSED);
    const allow = reach.allow.filter(meant);
    const plain = isBasic(method) || allow.some(isPlain);
    if (!plain && allow.length === 0) return decided(REFUSED);
    return { verdict: this.#scoped(principal, destination, method, name), deny, allow: plain ? undefined : allow };
  }

  /** All the scopes that the call needs, in one challenge, where one of them is missing. */
  #scoped(principal: Principal | undefined, destination: string, method: string, name: string | undefined): Verdict {
    const needed = this.#scopes
      .filter(({ rule }) => rule.concerns(destination) && rule.means(method, name))
      .flatMap(({ scopes }) => scopes);
    const held = new Set(principal?.scopes);
    return needed.every((scope) => held.has(scope)) ? ALLOWED : { allowed: false, scopes: [...new Set(needed)] };
  }

  #remember<Value>(into: Map<string, Value>, key: string, value: Value): void {
    this.#remembered += 1;
    if (this.#remembered > MOST_REMEMBERED) {
      this.#rights = new Map();
      this.#rightsOf = new WeakMap();
      this.#nobody.clear();
      this.#last = undefined;
      this.#remembered = 0;
    }
    into.set(key, value);
  }
}

function isBasic(method: string): boolean {
  return BASICS.has(method) || method.startsWith('notifications/');
}

function isPlain(grant: Grant): boolean {
  return grant.conditions.length === 0;
}

function decided(verdict: Verdict): Decision {
  return { verdict, deny: [], allow: undefined };
}

function isUnconditional(decision: Decision): boolean {
  return decision.allow === undefined && decision.deny.length === 0;
}

function conclude(decision: Decision, facts: Facts, known: Known): Verdict {
  if (decision.deny.some((grant) => denies(grant, facts, known))) return REFUSED;
  const met = decision.allow === undefined || decision.allow.some((grant) => allows(grant, facts, known));
  return met ? decision.verdict : REFUSED;
}

/** Something is allowed there that no deny takes away whole. */
function visibility(allow: readonly Grant[], deny: readonly Grant[]): Reach['visible'] {
  const left = allow.filter(({ rule }) => !deny.some((other) => isPlain(other) && other.rule.covers(rule)));
  if (left.length === 0) return false;
  const covered = ({ rule }: Grant) => deny.some((other) => other.rule.covers(rule));
  return left.some((grant) => isPlain(grant) && !covered(grant)) || 'conditionally';
}

function isVisible(reach: Reach, principal: Principal | undefined, destination: string): boolean {
  if (reach.visible !== 'conditionally') return reach.visible;
  const facts = new Facts(principal, destination);
  const inForce = reach.deny.filter((grant) => denies(grant, facts, callerAndDestination));
  return reach.allow.some(
    (grant) => !inForce.some(({ rule }) => rule.covers(grant.rule)) && allows(grant, facts, callerAndDestination),
  );
}
