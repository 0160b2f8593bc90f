import { isObject, parsedOrNothing } from '../core/json.js';

type Json = Record<string, unknown>;

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/** A JSON-RPC message as far as its way depends on it. Its text is what is passed on. */
export interface Message {
  readonly kind: 'request' | 'notification' | 'response';
  readonly id?: unknown;
  readonly method?: string;
  /** Of a response that is an error. */
  readonly errorCode?: number;
  /** `params._meta.progressToken` of a request, `params.progressToken` of `notifications/progress`. */
  readonly token?: unknown;
  /** `params.requestId` of `notifications/cancelled`. */
  readonly cancels?: unknown;
  /** The listen request that it belongs to (2026-07-28). */
  readonly subscription?: unknown;
  /** `params.uri`. */
  readonly uri?: string;
}

/** A message and the text that it was read from. */
export interface Said {
  readonly text: string;
  readonly read: Message;
}

/** One message, or each one of a batch; undefined for what is neither. The text of a single one stays as it is. */
export function readAll(text: string): Said[] | undefined {
  const value = parse(text);
  if (!Array.isArray(value)) {
    const read = describe(value);
    return read && [{ text, read }];
  }
  return value.flatMap((one) => {
    const read = describe(one);
    return read ? [{ text: JSON.stringify(one), read }] : [];
  });
}

function parse(text: string): unknown {
  // What isn't meant as a message, such as a line of a log, costs no exception.
  const first = /\S/.exec(text)?.[0];
  return first === '{' || first === '[' ? parsedOrNothing(text) : undefined;
}

function describe(value: unknown): Message | undefined {
  if (!isObject(value)) return undefined;
  const { id, method } = value;
  if (typeof method === 'string') return describeCall(value, method);
  if (id === undefined || !('result' in value || 'error' in value)) return undefined;
  const { error, result } = value;
  const code = isObject(error) ? error.code : undefined;
  const subscription = meta(result)[SUBSCRIPTION];
  return {
    kind: 'response',
    id,
    ...(typeof code === 'number' ? { errorCode: code } : {}),
    ...(subscription === undefined ? {} : { subscription }),
  };
}

function describeCall({ id, params }: Json, method: string): Message {
  const given = isObject(params) ? params : {};
  const own = meta(params);
  const base = { method, ...(typeof given.uri === 'string' ? { uri: given.uri } : {}) };
  if (id !== undefined) return { ...base, kind: 'request', id, token: own.progressToken };
  return {
    ...base,
    kind: 'notification',
    subscription: own[SUBSCRIPTION],
    ...(method === 'notifications/progress' ? { token: given.progressToken } : {}),
    ...(method === 'notifications/cancelled' ? { cancels: given.requestId } : {}),
  };
}

function meta(value: unknown): Json {
  return isObject(value) && isObject(value._meta) ? value._meta : {};
}

/** Where in a message that stands which has to change for whoever shares a channel with others. */
export const PLACES = {
  id: ['id'],
  requestToken: ['params', '_meta', 'progressToken'],
  progressToken: ['params', 'progressToken'],
  requestId: ['params', 'requestId'],
  subscription: ['params', '_meta', SUBSCRIPTION],
  resultSubscription: ['result', '_meta', SUBSCRIPTION],
} as const;

/** A request that ends another: `id` as JSON. */
export function cancellation(id: string, reason: string): string {
  const params = `{"requestId":${id},"reason":${JSON.stringify(reason)}}`;
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`;
}

/** `id` as JSON. */
export function errorText(id: string, code: number, message: string, data?: object): string {
  return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ code, message, ...(data ? { data } : {}) })}}`;
}
