import type { IncomingMessage } from 'node:http';
import type { ZodType } from 'zod';
import { badRequest, Refusal } from './refusal.js';

const MAX_BODY_BYTES = 1_048_576;

/** Who calls, and what their proof allows. */
export interface Caller {
  readonly userId: string;
  readonly subject: string;
  readonly roles: readonly string[];
  /** Undefined: an API key or a session, which have all of the user's rights. */
  readonly scopes: readonly string[] | undefined;
  /** A session in a cookie, whose changes need the token against forged requests. */
  readonly csrf?: string;
  readonly clientId?: string;
}

/** A request, with its body read. */
export interface Ask {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly origin: string;
}

/** One that a route serves. */
export interface RoutedAsk extends Ask {
  readonly caller: Caller;
  /** Of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** The body up to 1 MiB. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new Refusal(413, 'HTTP-413', 'Payload too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** The body as JSON of this shape; whatever else it is, is refused with the place of the first fault. */
export function jsonOf<Shape>(ask: Ask, shape: ZodType<Shape>): Shape {
  const type = ask.headers['content-type']?.split(';')[0]?.trim();
  if (type !== 'application/json' && type !== 'application/json-patch+json')
    throw new Refusal(415, 'HTTP-415', 'Unsupported media type', 'The body must be application/json.');
  const parsed = shape.safeParse(parse(ask.body));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(`/${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('The body is no JSON.');
  }
}
