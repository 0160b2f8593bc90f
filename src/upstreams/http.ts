import * as z from 'zod';
import type { Attempt, EraOption, Exchange, Inbound, Kind, Reply, Upstream, UpstreamDeps } from '../contracts.js';
import { flag } from '../core/schema.js';
import { forward } from '../wire/forward.js';
import { STREAM_ALIAS, splitTarget } from '../wire/paths.js';
import { ONE_OR_SEVERAL, oneOrSeveral, UrlUpstream, urlOptions, withQuery } from './urlUpstream.js';

const fields = urlOptions.extend({
  /** Which revisions the server speaks, where it shall not be found out. */
  era: z.enum(['auto', 'legacy', 'modern', 'both']).default('auto'),
  /** Called through `/mcp/stream/http`, that path is kept upstream, as mcp-abap-adt-proxy does. */
  followAlias: flag().default(false),
  /** For a server of which nobody knows how it is spoken to; the names are mcp-remote's. */
  transport: z.enum(['http-only', 'http-first', 'sse-first', 'sse-only']).default('http-only'),
});

const options = fields.refine(oneOrSeveral, ONE_OR_SEVERAL);

type Options = z.infer<typeof fields>;

/** Streamable HTTP, the same revision on both sides: bytes pass unchanged. */
class HttpUpstream extends UrlUpstream {
  readonly era: EraOption;
  readonly #followAlias: boolean;

  constructor(given: Options, deps: UpstreamDeps) {
    super(given, deps);
    this.era = given.era;
    this.#followAlias = given.followAlias;
  }

  override resolve(base: URL, request: Inbound): URL {
    const [path, query] = splitTarget(request.target);
    if (!this.#followAlias || path !== STREAM_ALIAS) return super.resolve(base, request);
    const url = new URL(base);
    url.pathname = STREAM_ALIAS;
    return withQuery(url, query);
  }

  send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    return forward(this.dispatcher(attempt), {
      url: attempt.route.url,
      method: exchange.request.method,
      headers: this.lines(exchange, attempt),
      body: exchange.call?.body ?? null,
      caller: exchange,
      deadlines: this.deps.deadlines,
      names: this.names,
    });
  }
}

/** Loads the other transport. */
async function eitherOf(upstream: HttpUpstream, given: Options, deps: UpstreamDeps): Promise<Upstream> {
  const [{ EitherUpstream }, { SseUpstream }] = await Promise.all([import('./sseFallback.js'), import('./sse.js')]);
  const sse = new SseUpstream(given, deps);
  if (given.transport === 'sse-only') return sse.watch();
  return new EitherUpstream({ http: upstream.watch(), sse }, given.transport === 'sse-first' ? 'sse' : 'http');
}

const http: Kind<Upstream, Options, UpstreamDeps> = {
  options,
  create: (given, deps) => {
    const upstream = new HttpUpstream(given, deps);
    return given.transport === 'http-only' ? upstream.watch() : eitherOf(upstream, given, deps);
  },
};

export default http;
