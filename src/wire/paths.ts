/** Where a request goes, as the wire has it. */
export interface Place {
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  /** Without it: what one server is told from another by. */
  readonly server: string;
}

const places = new WeakMap<URL, Place>();

/** A URL as a place. Put together once: an operator's URL is the same for call after call, and nobody changes one. */
export function placeOf(url: URL): Place {
  const known = places.get(url);
  if (known) return known;
  const place = { origin: url.origin, path: url.pathname + url.search, server: url.origin + url.pathname };
  places.set(url, place);
  return place;
}

/** The alias of `/mcp` that users of mcp-abap-adt-proxy have in their clients. */
export const STREAM_ALIAS = '/mcp/stream/http';

/** True for the paths at which MCP is served, whatever they name. */
export function isMcpPath(path: string): boolean {
  return path === '/mcp' || path.startsWith('/mcp/');
}

/** A request target (RFC 9112 section 3.2.1) as path and query, both undecoded; the query without its `?`. */
export function splitTarget(target: string): [path: string, query: string | undefined] {
  const at = target.indexOf('?');
  return at === -1 ? [target, undefined] : [target.slice(0, at), target.slice(at + 1)];
}
