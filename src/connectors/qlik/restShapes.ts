import type { Resource } from './resource.js';
import type { ResourceName } from './resources.js';
import { RESOURCES } from './resources.js';
import type { Asked, QlikCalls } from './restCalls.js';

type Json = Record<string, unknown>;

/** Of one text in a list; the whole stands in the single one. */
const MOST_TEXT = 300;
const MOST_PAGE = 100;

/** One of a list: a few fields, long texts cut with a mark. */
export function briefly(name: ResourceName, value: Json): Json {
  return picked(value, RESOURCES[name].fields, MOST_TEXT);
}

/** A single one: all that is shown of it. */
export function fully(name: ResourceName, value: Json): Json {
  const { fields, details = [] } = RESOURCES[name] as Resource;
  return picked(value, [...fields, ...details]);
}

/** What stands at `shown=path.to.it`, as far as it is there and says something. */
export function picked(value: Json, fields: readonly string[], mostText = Number.POSITIVE_INFINITY): Json {
  const found: Json = {};
  for (const field of fields) {
    const [shown = '', path = shown] = field.split('=');
    const at = cut(valueAt(value, path), mostText);
    if (at !== undefined && at !== null && at !== '') found[shown] = at;
  }
  return found;
}

function valueAt(value: unknown, path: string): unknown {
  let at = value;
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Json)[step];
  }
  return at;
}

function cut(value: unknown, most: number): unknown {
  return typeof value === 'string' && value.length > most ? `${value.slice(0, most)}…` : value;
}

export interface Listed {
  readonly data: readonly Json[];
  readonly nextCursor?: string;
}

/** A list as a model is shown it: as many as it asked for, and a cursor where there are more. */
export async function listed(
  calls: QlikCalls,
  path: string,
  asked: Asked,
  { limit = 50, cursor, show }: { limit?: number | undefined; cursor?: string | undefined; show(item: Json): Json },
): Promise<Listed> {
  const most = Math.ceil(limit / MOST_PAGE);
  const query = { limit: Math.ceil(limit / most), ...asked.query };
  const data: Json[] = [];
  let next: string | undefined;
  for await (const page of calls.pages(path, { ...asked, query }, most, cursor)) {
    data.push(...page.data.map(show));
    next = page.nextCursor;
    if (data.length >= limit) break;
  }
  return { data, ...(next === undefined ? {} : { nextCursor: next }) };
}
