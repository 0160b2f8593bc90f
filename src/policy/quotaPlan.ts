import type { Clock, McpCall, Principal } from '../contracts.js';
import { globs } from '../core/glob.js';
import { scopeKey } from '../core/scopeKey.js';
import { type Rate, TokenBuckets } from '../resilience/tokenBucket.js';
import { parseCall } from '../wire/mcp.js';
import type { QuotasOptions } from './quotasSchema.js';
import { parseCallPattern } from './rate.js';

/** One rate of the configuration, and this process's buckets of it. */
export interface Limit {
  readonly name: string;
  readonly rate: Rate;
  readonly buckets: TokenBuckets;
  /** The rate as a `RateLimit-Policy` line has it. */
  readonly policy: string;
  /** False where other callers draw from the same bucket: how full that is isn't this caller's business. */
  readonly own: boolean;
}

/** `q` per `w` seconds, as draft-ietf-httpapi-ratelimit-headers writes it. */
export function limitOf(name: string, rate: Rate, own: boolean, clock: Pick<Clock, 'monotonic'>): Limit {
  const policy = `"${name}";q=${rate.count};w=${Math.ceil(rate.periodMs / 1000)}`;
  return { name, rate, own, policy, buckets: new TokenBuckets(rate, clock) };
}

/** So many tokens from one bucket. */
export interface Draw {
  readonly limit: Limit;
  readonly key: string;
  readonly cost: number;
}

/** So many calls at the same time. */
export interface Gate {
  readonly name: string;
  readonly limit: number;
  readonly key: string;
}

interface Rule {
  readonly draw: Draw;
  matches(method: string, name: string): boolean;
}

/** What a caller's calls to one destination meet. What is the caller's own comes first, so that a refusal by it draws on nobody else. */
export interface Plan {
  readonly rules: readonly Rule[];
  readonly always: readonly Draw[];
  readonly gates: readonly Gate[];
}

/** Works out what a call meets; remembers it for as long as the principal is known. */
export class Planner {
  readonly #options: QuotasOptions;
  readonly #known = new WeakMap<Principal, Map<string, Plan>>();
  readonly #caller: Limit | undefined;
  readonly #tenant: Limit | undefined;
  readonly #destinations: readonly { readonly glob: string; readonly limit: Limit; matches(name: string): boolean }[];
  readonly #tools: readonly ToolLimit[];

  constructor(options: QuotasOptions, clock: Pick<Clock, 'monotonic'>) {
    this.#options = options;
    const limit = (name: string, rate: Rate, own: boolean) => limitOf(name, rate, own, clock);
    this.#caller = options.perCaller && limit('perCaller', options.perCaller, true);
    this.#tenant = options.perTenant && limit('perTenant', options.perTenant, true);
    this.#destinations = Object.entries(options.perDestination).map(([glob, rate]) => ({
      glob,
      limit: limit('perDestination', rate, false),
      matches: globs([glob]),
    }));
    this.#tools = Object.entries(options.perTool).map(([rule, rate]) => toolLimit(rule, limit('perTool', rate, true)));
  }

  /** Every rate, with the glob or rule that it stands under. */
  get limits(): readonly { readonly limit: Limit; readonly rule?: string }[] {
    return [
      ...[this.#caller, this.#tenant].flatMap((limit) => (limit ? [{ limit }] : [])),
      ...this.#destinations.map(({ glob, limit }) => ({ limit, rule: glob })),
      ...this.#tools.map(({ rule, limit }) => ({ limit, rule })),
    ];
  }

  /** `address` stands for a caller that nobody knows. */
  plan(principal: Principal | undefined, address: () => string, destination: string): Plan {
    if (!principal) return this.#make(undefined, address(), destination);
    let plans = this.#known.get(principal);
    if (!plans) {
      plans = new Map();
      this.#known.set(principal, plans);
    }
    let plan = plans.get(destination);
    if (!plan) {
      plan = this.#make(principal, '', destination);
      plans.set(destination, plan);
    }
    return plan;
  }

  #make(principal: Principal | undefined, address: string, destination: string): Plan {
    const keys = keysOf(principal, address);
    const rules = this.#tools
      .filter(({ reaches }) => reaches(destination))
      .map(({ rule, limit, matches }) => ({ matches, draw: { limit, key: keys.caller('perTool', rule), cost: 1 } }));
    const always: Draw[] = [];
    if (this.#caller) always.push({ limit: this.#caller, key: keys.caller('perCaller'), cost: 1 });
    if (this.#tenant && keys.tenant) always.push({ limit: this.#tenant, key: keys.tenant('perTenant'), cost: 1 });
    for (const { glob, limit, matches } of this.#destinations) {
      if (matches(destination)) always.push({ limit, key: scopeKey(null, limit.name, glob, destination), cost: 1 });
    }
    return { rules, always, gates: this.#gates(keys, destination) };
  }

  #gates(keys: Keys, destination: string): Gate[] {
    const { perCaller, perTenant, perDestination } = this.#options.concurrent;
    const gates: Gate[] = [];
    const add = (name: string, limit: number, key: string) => gates.push({ name, limit, key });
    if (perCaller !== undefined) add('concurrent.perCaller', perCaller, keys.caller('concurrent.perCaller'));
    if (perTenant !== undefined && keys.tenant)
      add('concurrent.perTenant', perTenant, keys.tenant('concurrent.perTenant'));
    for (const [glob, limit] of Object.entries(perDestination)) {
      const name = 'concurrent.perDestination';
      if (globs([glob])(destination)) add(name, limit, scopeKey(null, name, glob, destination));
    }
    return gates;
  }
}

interface Keys {
  caller(...parts: string[]): string;
  readonly tenant: ((...parts: string[]) => string) | undefined;
}

/** A caller without a principal is its address, and has no tenant. */
function keysOf(principal: Principal | undefined, address: string): Keys {
  if (!principal) return { caller: (...parts) => scopeKey(null, ...parts, address), tenant: undefined };
  const { tenant } = principal;
  return {
    caller: (...parts) => scopeKey(principal, ...parts),
    tenant: tenant === undefined ? undefined : (...parts) => scopeKey(null, ...parts, tenant),
  };
}

interface ToolLimit {
  readonly rule: string;
  readonly limit: Limit;
  reaches(destination: string): boolean;
  matches(method: string, name: string): boolean;
}

function toolLimit(rule: string, limit: Limit): ToolLimit {
  const pattern = parseCallPattern(rule);
  if (!pattern) throw new TypeError('the options were not checked by their schema');
  const method = globs([pattern.method]);
  const name = globs([pattern.name ?? '*']);
  return { rule, limit, reaches: globs([pattern.destination]), matches: (m, n) => method(m) && name(n) };
}

/** What this call draws: every message of a batch counts, and each is matched by what its body says. */
export function drawsOf(plan: Plan, call: McpCall | undefined): readonly Draw[] {
  if (call?.kind === 'batch') return batchDraws(plan, call);
  const { method } = call ?? {};
  if (method === undefined || plan.rules.length === 0) return plan.always;
  const matched = plan.rules.filter((rule) => rule.matches(method, call?.name ?? ''));
  return matched.length === 0 ? plan.always : [...matched.map(({ draw }) => draw), ...plan.always];
}

function batchDraws(plan: Plan, call: McpCall): readonly Draw[] {
  const messages = JSON.parse((call.body as Buffer).toString()) as unknown[];
  const cost = messages.length;
  const always = plan.always.map((draw) => ({ ...draw, cost }));
  // More than a bucket can hold is refused whatever it says.
  if (plan.rules.length === 0 || always.some(({ limit }) => limit.rate.burst < cost)) return always;
  const calls = messages.map((message) => parseCall(Buffer.from(JSON.stringify(message)), NO_HEADERS));
  const matched = plan.rules.map(({ matches, draw }) => ({
    ...draw,
    cost: calls.filter(({ method, name }) => method !== undefined && matches(method, name ?? '')).length,
  }));
  return [...matched.filter((draw) => draw.cost > 0), ...always];
}

const NO_HEADERS = { header: () => undefined };
