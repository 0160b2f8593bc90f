import { isObject } from '../../core/json.js';
import { INVALID_PARAMS } from '../../core/jsonRpc.js';
import { type Fault, fault, HEADER_MISMATCH, type Json, type Message, UNSUPPORTED_VERSION } from './message.js';

/** The stateless revision, of which every request says that it speaks it. */
export const MODERN = '2026-07-28';
/** The revisions that start with `initialize`, newest first. */
export const LEGACY: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26'];

export type Era = 'modern' | 'legacy';

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

/**
 * Which rules a request follows. The body decides; headers must agree with it (2026-07-28, Streamable HTTP), and a
 * notification has none to agree.
 */
export function eraOf(message: Message, header: (name: string) => string | undefined): Era | Fault {
  const meta = isObject(message.params._meta) ? message.params._meta : {};
  const claim = meta[VERSION_KEY];
  const version = header('mcp-protocol-version');
  if (claim === undefined) {
    if (version === undefined || LEGACY.includes(version)) return 'legacy';
    return fault(400, INVALID_PARAMS, `MCP-Protocol-Version is ${version}, but _meta has no ${VERSION_KEY}`);
  }
  if (message.id === undefined) return 'modern';
  return disagreement(message, meta, header) ?? 'modern';
}

function disagreement(message: Message, meta: Json, header: (name: string) => string | undefined): Fault | undefined {
  const claim = meta[VERSION_KEY];
  if (header('mcp-protocol-version') !== claim) return mismatch('MCP-Protocol-Version');
  if (claim !== MODERN) {
    const data = { supported: [MODERN], requested: claim };
    return fault(400, UNSUPPORTED_VERSION, 'the revision is not served', data);
  }
  if (header('mcp-method') !== message.method) return mismatch('Mcp-Method');
  const key = NAMED[message.method];
  if (key !== undefined && decode(header('mcp-name')) !== message.params[key]) return mismatch('Mcp-Name');
  if (!isObject(meta[CAPABILITIES_KEY])) return fault(400, INVALID_PARAMS, `_meta has no ${CAPABILITIES_KEY}`);
  return undefined;
}

function mismatch(name: string): Fault {
  return fault(400, HEADER_MISMATCH, `${name} is missing, or says something else than the body`);
}

/** `=?base64?…?=` carries names that a header line can't (SEP-2243). */
function decode(value: string | undefined): string | undefined {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value ?? '')?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString();
}
