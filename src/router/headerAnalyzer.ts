import type { Inbound } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isMcpPath, STREAM_ALIAS } from '../wire/paths.js';

/** What path and headers ask for; nothing of it is checked against the configuration yet. */
export interface Asked {
  readonly destination?: string;
  readonly by?: 'path' | 'header';
  /** From `x-mcp-url`: absolute, http or https, without user, password or fragment. */
  readonly url?: URL;
}

type Headed = Pick<Inbound, 'header'>;

/** Each name with its aliases; they mean the same, so two that differ contradict each other. */
const DESTINATION_HEADERS = ['x-btp-destination', 'x-sap-destination', 'x-mcp-destination'] as const;
const URL_HEADERS = ['x-mcp-url', 'x-target-url'] as const;

const MCP_PREFIX = '/mcp/';

/**
 * Reads what a request asks for, from its path (undecoded) and headers alone.
 * @throws GatewayError CONFLICTING_DESTINATIONS, INVALID_TARGET_URL, or UNKNOWN_DESTINATION for a path that can't name one
 */
export function analyzeHeaders(path: string, request: Headed): Asked {
  const inHeader = agreed(DESTINATION_HEADERS, request);
  const inPath = destinationOf(path);
  if (inPath !== undefined && inHeader !== undefined && inPath !== inHeader) {
    throw new GatewayError('CONFLICTING_DESTINATIONS', 'path and header name different destinations');
  }
  const target = agreed(URL_HEADERS, request);
  const named = inPath ?? inHeader;
  const destination: Asked =
    named === undefined ? {} : { destination: named, by: inPath === undefined ? 'header' : 'path' };
  return target === undefined ? destination : { ...destination, url: parseTarget(target) };
}

function destinationOf(path: string): string | undefined {
  if (!isMcpPath(path) || path === STREAM_ALIAS) return undefined;
  const name = path.slice(MCP_PREFIX.length, path.endsWith('/') ? -1 : undefined);
  if (name.includes('/')) throw new GatewayError('UNKNOWN_DESTINATION', 'the path names no destination');
  return name || undefined;
}

function agreed(names: readonly string[], request: Headed): string | undefined {
  let said: string | undefined;
  for (const name of names) {
    const value = request.header(name)?.trim();
    if (value === undefined || value === '') continue;
    if (said !== undefined && said !== value) {
      throw new GatewayError('CONFLICTING_DESTINATIONS', `${name} contradicts its alias`);
    }
    said = value;
  }
  return said;
}

function parseTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw invalid('is not an absolute http or https URL');
  if (url.username || url.password) throw invalid('carries a user or password');
  if (url.hash) throw invalid('has a fragment');
  return url;
}

function invalid(why: string): GatewayError {
  // The URL itself isn't repeated: it may carry what it must not.
  return new GatewayError('INVALID_TARGET_URL', `the target URL ${why}`);
}
