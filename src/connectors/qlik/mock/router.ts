import type { Answer, Ask, Caller, RoutedAsk } from './ask.js';
import { badRequest, forbidden, notFound, Refusal } from './refusal.js';
import { reaches } from './scopes.js';
import type { Tenant } from './tenant.js';
import { Tiers } from './tiers.js';
import type { MockTier } from './types.js';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As in Qlik's specification: `/api/v1/items/{itemId}`. */
  readonly path: string;
  readonly tier?: MockTier;
  /** The scope that reaches it, without `:read`. */
  readonly scope: string;
  /** Parameters of the query; others are refused. */
  readonly query?: readonly string[];
  /** Those that must be there. */
  readonly required?: readonly string[];
  /** Any of them is needed. */
  readonly roles?: readonly string[];
  /** An action that reads, although it is a POST. */
  readonly reads?: boolean;
  /** What answers instead, of a deprecated one. */
  readonly successor?: string;
  run(ask: RoutedAsk, tenant: Tenant): Answer | Promise<Answer>;
}

const VERSION = /^(?:latest|\d{4}-\d{2})$/;

/** Finds the route of a request, and lets through what the route allows. */
export class Router {
  readonly #tenant: Tenant;
  readonly #routes: readonly Route[];
  readonly #tiers: Tiers;

  constructor(tenant: Tenant, routes: readonly Route[]) {
    this.#tenant = tenant;
    // A name beats a variable: `/users/me` is no user's id.
    this.#routes = [...routes].sort((one, other) => variables(one.path) - variables(other.path));
    this.#tiers = new Tiers(tenant);
  }

  async serve(ask: Ask, caller: Caller): Promise<Answer> {
    const { route, params } = this.#find(ask);
    this.#tiers.count(route.tier ?? (route.method === 'GET' ? 'tier1' : 'tier2'), caller.userId);
    admit(route, ask, caller);
    const answer = await route.run({ ...ask, caller, params }, this.#tenant);
    return route.successor === undefined ? answer : deprecated(answer, ask.origin, route.successor);
  }

  #find(ask: Ask): { readonly route: Route; readonly params: Readonly<Record<string, string>> } {
    const known: Route[] = [];
    for (const route of this.#routes) {
      const params = match(route.path, ask.path);
      if (params && route.method === ask.method) return { route, params };
      if (params) known.push(route);
    }
    if (known.length === 0) throw notFound();
    throw new Refusal(405, 'HTTP-405', 'Method not allowed', undefined, {
      allow: known.map(({ method }) => method).join(', '),
    });
  }
}

function variables(path: string): number {
  return path.split('{').length;
}

/** The variables of the path, or undefined where it isn't this one. */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const segments = path.split('/');
  if (wanted.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, name] of wanted.entries()) {
    const segment = segments[index] ?? '';
    if (!name.startsWith('{')) {
      if (name !== segment) return undefined;
      continue;
    }
    if (segment === '' || segment === '.' || segment === '..') return undefined;
    params[name.slice(1, -1)] = decode(segment);
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest('The path is badly encoded.');
  }
}

function admit(route: Route, ask: Ask, caller: Caller): void {
  if (caller.csrf !== undefined && ask.method !== 'GET' && ask.headers['qlik-csrf-token'] !== caller.csrf)
    throw new Refusal(403, 'CSRF-TOKEN-1', 'Invalid csrf token');
  const version = ask.headers['qlik-api-version'];
  if (!ask.path.startsWith('/api/v1/') && !VERSION.test(String(version ?? '')))
    throw badRequest('The header qlik-api-version must be YYYY-MM or latest.');
  const reading = route.method === 'GET' || route.reads === true;
  if (!reaches(caller.scopes, route.scope, reading)) throw forbidden(`The token's scopes don't reach ${route.scope}.`);
  if (route.roles && !route.roles.some((role) => caller.roles.includes(role)))
    throw forbidden('The user lacks the role.');
  checkQuery(route, ask.query);
}

function checkQuery({ query = [], required = [] }: Route, given: URLSearchParams): void {
  const names = [...given.keys()];
  const unknown = names.find((name) => !query.includes(name) && !required.includes(name));
  if (unknown !== undefined) throw badRequest(`The query's ${unknown} is unknown.`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw badRequest(`The query has more than one ${twice}.`);
  const missing = required.find((name) => !given.get(name));
  if (missing !== undefined) throw badRequest(`The query's ${missing} is missing.`);
}

/** RFC 9745 and RFC 8594. */
function deprecated(answer: Answer, origin: string, successor: string): Answer {
  const lines = {
    deprecation: '@1767225600',
    sunset: 'Thu, 31 Dec 2026 23:59:59 GMT',
    link: `<${origin}${successor}>; rel="successor-version"`,
  };
  return { ...answer, headers: { ...answer.headers, ...lines } };
}
