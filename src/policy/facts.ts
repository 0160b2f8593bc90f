import type { McpCall, Principal } from '../contracts.js';
import type { Variables } from './conditions.js';
import { memberOf, paramsOf } from './rules.js';

/** What the conditions of permissions may ask about. */
export const VARIABLES: Variables = {
  principal: 'map',
  destination: 'string',
  method: 'string',
  name: 'string',
  arguments: 'map',
};

/** What a condition is asked about. Made only where one has to be asked; the body is read again only where one asks for arguments. */
export class Facts {
  readonly principal: object;
  readonly destination: string;
  readonly method: string;
  readonly name: string;
  readonly #call: McpCall | undefined;
  #arguments: object | undefined;

  constructor(principal: Principal | undefined, destination: string, method = '', name = '', call?: McpCall) {
    this.principal = describe(principal);
    this.destination = destination;
    this.method = method;
    this.name = name;
    this.#call = call;
  }

  /** Absent arguments are none; undefined where they have no names. */
  get arguments(): object | undefined {
    if (this.#arguments || !this.#call) return this.#arguments;
    const given = memberOf(paramsOf(this.#call), 'arguments') ?? {};
    if (typeof given === 'object' && !Array.isArray(given)) this.#arguments = bounded(given);
    return this.#arguments;
  }
}

function describe(principal: Principal | undefined): object {
  if (!principal) return {};
  const { subject, tenant, roles, scopes = [], claims } = principal;
  return { subject, roles, scopes, claims, ...(tenant === undefined ? {} : { tenant }) };
}

/** Of one value: how much text, and how many values inside one another. */
const MOST_TEXT = 16 * 1024;
const MOST_VALUES = 1_000;

/**
 * Values from outside, as conditions may see them. One that is too large for them can't be read: a condition that asks
 * about it has no answer, rather than a wrong one.
 */
export function bounded(values: object): object {
  const keys = Object.keys(values);
  if (keys.length > MOST_VALUES) throw new RangeError(`more than ${MOST_VALUES} values`);
  const seen = {};
  for (const key of keys) {
    const value: unknown = Reflect.get(values, key);
    const small = isSmall(value);
    Object.defineProperty(seen, key, { enumerable: true, ...(small ? { value } : { get: tooLarge }) });
  }
  return seen;
}

function tooLarge(): never {
  throw new RangeError('the value is too large for a condition');
}

function isSmall(value: unknown): boolean {
  const left = [value];
  let text = 0;
  for (let count = 0; left.length > 0; count++) {
    const next = left.pop();
    if (typeof next === 'string') text += next.length;
    else if (typeof next === 'object' && next !== null) {
      const keys = Object.keys(next);
      if (keys.length > MOST_VALUES) return false;
      for (const key of keys) {
        text += key.length;
        left.push(Reflect.get(next, key));
      }
    }
    if (count > MOST_VALUES || text > MOST_TEXT) return false;
  }
  return true;
}
