import * as z from 'zod';
import type { Attempt, Exchange, HeaderLines, Inbound, McpCall, Reply, Upstream, UpstreamDeps } from '../contracts.js';
import { globs } from '../core/glob.js';
import { flag, headerName, headerValue, httpUrl } from '../core/schema.js';
import { BalancedPool } from '../resilience/pool.js';
import { poolSchema, urlList } from '../resilience/poolSchema.js';
import { safeToRepeat } from '../resilience/retry.js';
import { FieldNames, requestLines } from '../wire/headers.js';
import { networkSchema } from '../wire/networkSchema.js';
import { splitTarget } from '../wire/paths.js';
import { PoolChecks } from './poolChecks.js';
import { selected, selectionFields } from './toolSelection.js';

/** What every MCP server is told by that is reached over HTTP, whichever transport it speaks there. */
export const urlOptions = z.strictObject({
  /** Used whole: its path is the MCP endpoint. */
  url: httpUrl().optional(),
  /** Several servers that stand for the same, instead of `url`. */
  urls: urlList.optional(),
  /** How one of them is chosen. */
  pool: poolSchema.optional(),
  /** The name of a credential; its origins must list this URL's. */
  credential: z.string().optional(),
  /** Default headers; one that the caller sends wins. */
  headers: z.record(headerName(), headerValue()).default({}),
  /** Further URLs whose origins `x-mcp-url` may name. */
  allowedUrls: z.array(httpUrl()).default([]),
  /** Lets a URL from a header reach private, link-local and loopback addresses. */
  allowPrivate: flag().default(false),
  /** Headers of the caller that are forwarded though they are secrets, such as `cookie`. */
  forward: z.array(headerName()).default([]),
  /** Globs of tools that are read-only or idempotent, so that a call may be repeated. */
  safeTools: z.array(z.string().min(1)).default([]),
  /** How this server, and the provider of its credential, are reached. */
  network: networkSchema.optional(),
  ...selectionFields,
});

export type UrlOptions = z.infer<typeof urlOptions>;

/** Of the options of such a kind: one server or several, and rules for several only. */
export function oneOrSeveral({ url, urls, pool }: UrlOptions): boolean {
  return urls ? url === undefined : pool === undefined;
}

export const ONE_OR_SEVERAL = { path: ['urls'], error: 'must be there for a pool, and then without url' };

const NOTHING: HeaderLines = [];

/** An MCP server behind a URL: what it may be sent, and what it is shown. How it is spoken to is its transport's. */
export abstract class UrlUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly allowedOrigins: readonly string[];
  readonly allowPrivate: boolean;
  readonly url?: URL;
  readonly credential?: string;
  readonly personal: boolean;
  readonly offers?: (tool: string) => boolean;
  readonly pool?: BalancedPool;
  protected readonly deps: UpstreamDeps;
  protected readonly names = new FieldNames();
  readonly #forward: ReadonlySet<string>;
  readonly #defaults: string[];
  readonly #given: UrlOptions;
  #checks: PoolChecks | undefined;
  readonly #isSafeTool: (name: string) => boolean;

  constructor(given: UrlOptions, deps: UpstreamDeps) {
    this.name = deps.name;
    this.deps = deps;
    this.#given = given;
    const members = given.urls ?? [];
    this.allowedOrigins = [...members.map(({ url }) => url), ...given.allowedUrls].map((url) => url.origin);
    this.allowPrivate = given.allowPrivate;
    this.#forward = new Set(given.forward.map((name) => name.toLowerCase()));
    this.personal = this.#forward.size > 0 || deps.personal === true;
    this.#defaults = Object.entries(given.headers).flat();
    this.#isSafeTool = globs(given.safeTools);
    const offers = selected(given);
    if (offers) this.offers = offers;
    const url = given.url ?? members[0]?.url;
    if (url) this.url = url;
    if (given.urls) {
      const era = 'era' in given ? given.era : 'legacy';
      const options = { ...poolSchema.parse(given.pool ?? {}), sticky: era === 'auto' || era === 'legacy' };
      this.pool = new BalancedPool(deps.name, given.urls, options, deps);
    }
    if (given.credential !== undefined) this.credential = given.credential;
  }

  abstract send(exchange: Exchange, attempt: Attempt): Promise<Reply>;

  /** Begins to ask the members of a pool whether they live, where that is wanted. */
  watch(): this {
    const wanted = this.#given.pool?.healthCheck;
    if (this.pool && wanted) this.#checks ??= new PoolChecks(this.pool, wanted, this.deps.rest, this.#given.headers);
    return this;
  }

  async close(): Promise<void> {
    this.#checks?.close();
  }

  safeToRepeat(call: McpCall): boolean {
    return safeToRepeat(call, this.#isSafeTool);
  }

  /** The caller's query joins the operator's; where both have a parameter, the operator's stands. */
  resolve(base: URL, request: Inbound): URL {
    const [, query] = splitTarget(request.target);
    return query === undefined ? base : withQuery(new URL(base), query);
  }

  /** The header lines of an exchange as this server gets them. */
  protected lines(exchange: Exchange, { credential, trace }: Attempt): string[] {
    const own = credential?.headers ?? NOTHING;
    const shown = trace ? [...own, ...trace] : own;
    const { request, tokenIsOurs } = exchange;
    return requestLines(request.headerLines, this.names, this.#forward, shown, this.#defaults, tokenIsOurs);
  }

  protected dispatcher({ route }: Attempt): UpstreamDeps['dispatchers']['open'] {
    const { dispatchers } = this.deps;
    return route.publicOnly ? dispatchers.publicOnly : dispatchers.open;
  }
}

/** Adds a caller's query to a URL, which it changes; a parameter that is there already stands. */
export function withQuery(url: URL, query: string | undefined): URL {
  if (query === undefined) return url;
  if (url.search === '') {
    url.search = query;
    return url;
  }
  const own = new Set(url.searchParams.keys());
  for (const [name, value] of new URLSearchParams(query)) if (!own.has(name)) url.searchParams.append(name, value);
  return url;
}
