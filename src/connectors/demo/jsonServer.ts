import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** No body that makes sense here comes near this. */
const MAX_BODY_BYTES = 1_048_576;

/** One request, as the demo's servers see it. */
export interface Asked {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined;
  /** Undefined when the body is larger than 1 MiB. Rejects when it broke off. */
  body(): Promise<Buffer | undefined>;
  /** Aborts when the caller leaves. */
  readonly left: AbortSignal;
}

/** What to answer: JSON, an event stream of JSON, or nothing but a status. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly events?: (send: (message: unknown) => void) => Promise<void>;
}

/** A server that listens. */
export interface Listening {
  readonly origin: string;
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Serves `answer` on a free port of 127.0.0.1. Whatever `answer` throws is a 500 without a word. */
export async function listen(answer: (asked: Asked) => Promise<Answer>): Promise<Listening> {
  const server = createServer((request, response) => void serve(request, response, answer));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (asked: Asked) => Promise<Answer>,
): Promise<void> {
  // A caller that leaves in the middle of an answer is no reason to fall over.
  response.on('error', () => {});
  try {
    await write(response, await answer(describe(request, response)));
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}

function describe(request: IncomingMessage, response: ServerResponse): Asked {
  const leaving = new AbortController();
  response.once('close', () => leaving.abort());
  return {
    method: request.method ?? '',
    path: (request.url ?? '').split('?', 1)[0] as string,
    header: (name) => request.headers[name]?.toString(),
    body: () => readBody(request),
    left: leaving.signal,
  };
}

/** A body that is too large is read to its end all the same: a caller that still sends would not hear the answer. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return size > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks);
}

async function write(response: ServerResponse, answer: Answer): Promise<void> {
  if (answer.events) return writeEvents(response, answer, answer.events);
  if (answer.json === undefined) return void response.writeHead(answer.status, { ...answer.headers }).end();
  response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
  response.end(JSON.stringify(answer.json));
}

async function writeEvents(
  response: ServerResponse,
  answer: Answer,
  events: NonNullable<Answer['events']>,
): Promise<void> {
  response.writeHead(answer.status, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  await events((message) => void response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`));
  response.end();
}
