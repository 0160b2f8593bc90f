import * as z from 'zod';
import type { Attempt, Exchange, HeaderLines, Inbound, McpCall, Reply, Upstream, UpstreamDeps } from '../contracts.js';
import { globs } from '../core/glob.js';
import { flag, headerName, headerValue, httpUrl } from '../core/schema.js';
import { safeToRepeat } from '../resilience/retry.js';
import { FieldNames, requestLines } from '../wire/headers.js';
import { networkSchema } from '../wire/networkSchema.js';
import { splitTarget } from '../wire/paths.js';
import { selected, selectionFields } from './toolSelection.js';

/** What every MCP server is told by that is reached over HTTP, whichever transport it speaks there. */
export const urlOptions = z.strictObject({
  /** Used whole: its path is the MCP endpoint. */
  url: httpUrl().optional(),
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
  protected readonly deps: UpstreamDeps;
  protected readonly names = new FieldNames();
  readonly #forward: ReadonlySet<string>;
  readonly #defaults: string[];
  readonly #isSafeTool: (name: string) => boolean;

  constructor(given: UrlOptions, deps: UpstreamDeps) {
    this.name = deps.name;
    this.deps = deps;
    this.allowedOrigins = given.allowedUrls.map((url) => url.origin);
    this.allowPrivate = given.allowPrivate;
    this.#forward = new Set(given.forward.map((name) => name.toLowerCase()));
    this.personal = this.#forward.size > 0 || deps.personal === true;
    this.#defaults = Object.entries(given.headers).flat();
    this.#isSafeTool = globs(given.safeTools);
    const offers = selected(given);
    if (offers) this.offers = offers;
    if (given.url) this.url = given.url;
    if (given.credential !== undefined) this.credential = given.credential;
  }

  abstract send(exchange: Exchange, attempt: Attempt): Promise<Reply>;
  abstract close(): Promise<void>;

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
