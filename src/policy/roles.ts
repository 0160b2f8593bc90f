import type { Condition } from './conditions.js';
import { type Facts, VARIABLES } from './facts.js';
import type { PermissionsOptions } from './permissionsSchema.js';
import { Rule } from './rules.js';

/** A rule and the conditions under which it counts, all of them. */
export interface Grant {
  readonly rule: Rule;
  readonly conditions: readonly Condition[];
}

export interface Role {
  readonly allow: readonly Grant[];
  readonly deny: readonly Grant[];
}

/** Something in the section `permissions` that its schema can't see. */
export interface PermissionFault {
  /** Inside the section. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Rules that can't be used: every fault at once. */
export class PermissionsError extends Error {
  readonly faults: readonly PermissionFault[];

  constructor(faults: readonly PermissionFault[]) {
    super(faults.map(({ path, message }) => `permissions.${path.join('.')}: ${message}`).join('\n'));
    this.name = 'PermissionsError';
    this.faults = faults;
  }
}

type Roles = PermissionsOptions['roles'];
type Given = Roles[string]['allow'][number];
type Compile = (text: string) => Condition;

/**
 * The roles by name. The language of conditions is loaded only where there is one.
 * @throws PermissionsError
 */
export async function compileRoles(roles: Roles): Promise<ReadonlyMap<string, Role>> {
  const faults: PermissionFault[] = [];
  const compile = hasConditions(roles) ? await loadCompiler() : noCompiler;
  const conditions = (texts: readonly (readonly [string | undefined, readonly (string | number)[]])[]) =>
    texts.flatMap(([text, path]) => {
      try {
        return text === undefined ? [] : [compile(text)];
      } catch (error) {
        faults.push({ path, message: (error as Error).message });
        return [];
      }
    });
  const compiled = new Map<string, Role>();
  for (const [name, role] of Object.entries(roles)) {
    const shared = conditions([[role.when, ['roles', name, 'when']]]);
    const grants = (side: 'allow' | 'deny') =>
      role[side].map((given, index): Grant => {
        const own = conditions([[whenOf(given), ['roles', name, side, index, 'when']]]);
        return { rule: new Rule(typeof given === 'string' ? given : given.rule), conditions: [...shared, ...own] };
      });
    compiled.set(name, { allow: grants('allow'), deny: grants('deny') });
  }
  if (faults.length > 0) throw new PermissionsError(faults);
  return compiled;
}

function whenOf(given: Given): string | undefined {
  return typeof given === 'string' ? undefined : given.when;
}

function hasConditions(roles: Roles): boolean {
  return Object.values(roles).some((role) => role.when ?? [...role.allow, ...role.deny].some(whenOf));
}

async function loadCompiler(): Promise<Compile> {
  const { compileCondition } = await import('./conditions.js');
  return (text) => compileCondition(text, VARIABLES);
}

function noCompiler(): never {
  throw new TypeError('no condition was expected');
}

/** Which conditions can be answered by what is known. */
export type Known = (condition: Condition) => boolean;

export const everything: Known = () => true;
/** In a list, nobody knows yet with which arguments a thing will be called. */
export const allButArguments: Known = ({ mentions }) => !mentions.has('arguments');
/** Before anything is asked of a destination. */
export const callerAndDestination: Known = ({ mentions }) =>
  !mentions.has('arguments') && !mentions.has('method') && !mentions.has('name');

/** A condition without an answer never allows; one that can't be known yet might. */
export function allows(grant: Grant, facts: Facts, known: Known): boolean {
  return grant.conditions.every((condition) => !known(condition) || condition.test(facts) === true);
}

/** A condition without an answer denies; one that can't be known yet might not. */
export function denies(grant: Grant, facts: Facts, known: Known): boolean {
  return grant.conditions.every((condition) => known(condition) && condition.test(facts) !== false);
}
