import type { Flow, Reply } from '../contracts.js';
import { isObject } from '../core/json.js';
import { isEventStream, without } from '../wire/headers.js';
import { allMessages, readMessages } from '../wire/messages.js';
import { writeJson } from './modernToLegacyJson.js';
import { type Message, modernError, type RpcError, readMessage } from './modernToLegacyMessages.js';

/** Nobody reads the answer: a small one is drained so that its connection may serve again, a stream is cut. */
export function letGo(reply: Reply): void {
  const flow = readMessages(reply, { message() {}, end() {}, fail() {} });
  if (isEventStream(reply.headers)) flow.cancel();
}

/** The answer to one request, as soon as it is there; undefined where none came. `other` gets what came before it. */
export function answerTo(reply: Reply, id: number, other: (message: Message) => void): Promise<Message | undefined> {
  return new Promise((resolve, reject) => {
    let flow: Flow | undefined;
    let found = false;
    const take = (message: Message) => {
      if (message.method !== undefined || message.id !== id) return other(message);
      found = true;
      resolve(message);
      flow?.cancel();
    };
    flow = readMessages(reply, {
      message(text) {
        try {
          for (const message of readMessage(text)) take(message);
        } catch (error) {
          reject(error);
        }
      },
      end: () => resolve(undefined),
      fail: reject,
    });
    if (found) flow.cancel();
  });
}

/** An answer that refuses a call, read whole: several callers may wait for it. */
export interface Refusal {
  readonly status: number;
  readonly headers: readonly string[];
  readonly text: string;
}

/** What frames the answer, and what belongs to our session. */
const OURS = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'mcp-session-id']);

export async function readRefusal(reply: Reply): Promise<Refusal> {
  if (isEventStream(reply.headers)) letGo(reply);
  const texts = isEventStream(reply.headers) ? [] : await allMessages(reply).catch(() => []);
  return { status: reply.status, headers: without(reply.headers, OURS), text: texts[0] ?? '' };
}

/** As the caller gets it: an error of JSON-RPC under its own id, anything else as it came. */
export function refusalReply({ status, headers, text }: Refusal, id: string | number | undefined): Reply {
  const error = errorIn(text);
  const words = error ? writeJson({ jsonrpc: '2.0', id, error: modernError(error).error }) : text;
  const body = Buffer.from(words);
  return { status, headers: [...headers, 'content-length', String(body.length)], body, origin: 'upstream' };
}

function errorIn(text: string): RpcError | undefined {
  try {
    const error = readMessage(text)[0]?.error;
    return isObject(error) && typeof error.code === 'number' ? error : undefined;
  } catch {
    return undefined;
  }
}

/**
 * True where the server doesn't know the session: it has read nothing. Besides 404 (2025-11-25, Session Management) some
 * servers, among them the official SDK's after a restart, say so with 400 and an error that answers no request.
 */
export function isForgotten({ status, text }: Refusal): boolean {
  if (status === 404) return !answersRequest(text);
  return status === 400 && errorIn(text)?.code === -32000 && !answersRequest(text);
}

function answersRequest(text: string): boolean {
  try {
    return typeof readMessage(text)[0]?.id === 'number';
  } catch {
    return false;
  }
}
