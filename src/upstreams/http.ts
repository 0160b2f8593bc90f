import { z } from 'zod';
import type {
  Attempt,
  EraOption,
  Exchange,
  Inbound,
  Kind,
  McpCall,
  Reply,
  Upstream,
  UpstreamDeps,
} from '../contracts.js';
import { globs } from '../core/glob.js';
import { flag, headerName, headerValue, httpUrl } from '../core/schema.js';
import { safeToRepeat } from '../resilience/retry.js';
import { forward } from '../wire/forward.js';
import { FieldNames, requestLines } from '../wire/headers.js';
import { STREAM_ALIAS, splitTarget } from '../wire/paths.js';
import { selected, selectionFields } from './toolSelection.js';

const options = z.strictObject({
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
  /** Which revisions the server speaks, where it shall not be found out. */
  era: z.enum(['auto', 'legacy', 'modern', 'both']).default('auto'),
  ...selectionFields,
  /** Called through `/mcp/stream/http`, that path is kept upstream, as mcp-abap-adt-proxy does. */
  followAlias: flag().default(false),
});

type Options = z.infer<typeof options>;

const NOTHING: readonly string[] = [];

/** Streamable HTTP, the same revision on both sides: bytes pass unchanged. */
class HttpUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PROXY';
  readonly allowedOrigins: readonly string[];
  readonly allowPrivate: boolean;
  readonly url?: URL;
  readonly credential?: string;
  readonly era: EraOption;
  readonly personal: boolean;
  readonly offers?: (tool: string) => boolean;
  readonly #deps: UpstreamDeps;
  readonly #followAlias: boolean;
  readonly #names = new FieldNames();
  readonly #forward: ReadonlySet<string>;
  readonly #defaults: string[];
  readonly #isSafeTool: (name: string) => boolean;

  constructor(given: Options, deps: UpstreamDeps) {
    this.name = deps.name;
    this.#deps = deps;
    this.allowedOrigins = given.allowedUrls.map((url) => url.origin);
    this.allowPrivate = given.allowPrivate;
    this.era = given.era;
    this.#followAlias = given.followAlias;
    this.#forward = new Set(given.forward.map((name) => name.toLowerCase()));
    this.personal = this.#forward.size > 0;
    this.#defaults = Object.entries(given.headers).flat();
    this.#isSafeTool = globs(given.safeTools);
    const offers = selected(given);
    if (offers) this.offers = offers;
    if (given.url) this.url = given.url;
    if (given.credential !== undefined) this.credential = given.credential;
  }

  safeToRepeat(call: McpCall): boolean {
    return safeToRepeat(call, this.#isSafeTool);
  }

  /** The caller's query joins the operator's; where both have a parameter, the operator's stands. */
  resolve(base: URL, request: Inbound): URL {
    const [path, query] = splitTarget(request.target);
    const aliased = this.#followAlias && path === STREAM_ALIAS;
    if (!aliased && query === undefined) return base;
    const url = new URL(base);
    if (aliased) url.pathname = STREAM_ALIAS;
    if (base.search === '') {
      url.search = query ?? '';
      return url;
    }
    for (const [name, value] of new URLSearchParams(query)) {
      if (!base.searchParams.has(name)) url.searchParams.append(name, value);
    }
    return url;
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { dispatchers, deadlines } = this.#deps;
    const { url, publicOnly } = attempt.route;
    const { request } = exchange;
    const names = this.#names;
    return forward(publicOnly ? dispatchers.publicOnly : dispatchers.open, {
      url,
      method: request.method,
      headers: requestLines(
        request.headerLines,
        names,
        this.#forward,
        attempt.credential?.headers ?? NOTHING,
        this.#defaults,
        exchange.tokenIsOurs,
      ),
      body: exchange.call?.body ?? null,
      caller: exchange,
      deadlines,
      names,
    });
  }

  async close(): Promise<void> {}
}

const http: Kind<Upstream, Options, UpstreamDeps> = {
  options,
  create: (given, deps) => new HttpUpstream(given, deps),
};

export default http;
