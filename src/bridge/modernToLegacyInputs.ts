import { isObject } from '../core/json.js';
import type { Json, Message, RpcError } from './modernToLegacyMessages.js';

/** What a server may ask its client for. */
const KINDS = new Set(['sampling/createMessage', 'elicitation/create', 'roots/list']);

export function isInput(method: string): boolean {
  return KINDS.has(method);
}

/** The capability that a question needs and the client didn't declare; undefined where it may be asked. */
export function undeclared({ method, params = {} }: Message, declared: Json): Json | undefined {
  if (method === 'roots/list') return declared.roots === undefined ? { roots: {} } : undefined;
  if (method === 'sampling/createMessage') return undeclaredSampling(params, declared.sampling);
  const mode = params.mode === 'url' ? 'url' : 'form';
  return elicits(declared.elicitation, mode) ? undefined : { elicitation: { [mode]: {} } };
}

function undeclaredSampling(params: Json, sampling: unknown): Json | undefined {
  if (!isObject(sampling)) return { sampling: {} };
  const needsTools = params.tools !== undefined || params.toolChoice !== undefined;
  return needsTools && sampling.tools === undefined ? { sampling: { tools: {} } } : undefined;
}

/** An empty object declares forms (2025-11-25, Elicitation). */
function elicits(declared: unknown, mode: 'form' | 'url'): boolean {
  if (!isObject(declared)) return false;
  return declared[mode] !== undefined || (mode === 'form' && declared.url === undefined);
}

/** A question as it stands in `inputRequests`: without what only tasks, progress and the end of a URL elicitation need. */
export function inputRequest({ method, params }: Message): Json {
  if (!params) return { method };
  const { task: _task, elicitationId: _id, _meta, ...rest } = params;
  const { progressToken: _token, ...meta } = isObject(_meta) ? _meta : {};
  return { method, params: Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest };
}

/** The elicitations of a URLElicitationRequired error (2025-11-25); undefined for any other. */
export function requiredUrls(error: RpcError): Message[] | undefined {
  const data = isObject(error.data) ? error.data : {};
  if (error.code !== -32042 || !Array.isArray(data.elicitations)) return undefined;
  return data.elicitations
    .filter(isObject)
    .map((params) => ({ method: 'elicitation/create', params: { ...params, mode: 'url' } }));
}
