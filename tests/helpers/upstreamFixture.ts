import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** One request as it reached the upstream. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value … as they stood on the wire. */
  readonly rawHeaders: readonly string[];
  readonly socket: Socket;
  /** What has come of the body so far. */
  body: Buffer;
  /** When the socket closed, epoch milliseconds; undefined while it is open. */
  closedAt?: number;
  /** Resolves when the socket has closed. */
  readonly closed: Promise<void>;
  /** The first value of a header; `name` in lower case. */
  header(name: string): string | undefined;
}

/** Answers a request; its body is in `seen.body`, unless the fixture is eager. */
export type Handler = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

export interface Upstream {
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  readonly server: Server;
  readonly requests: Seen[];
  /** How many sockets were ever opened. */
  readonly connections: number;
  /** May be exchanged at any time; holds for requests from then on. */
  handler: Handler;
  /** Resolves once `count` requests have come, with the last of them. */
  arrived(count: number): Promise<Seen>;
  close(): Promise<void>;
}

export interface FixtureOptions {
  /** Calls the handler at the head of a request, not at its end. */
  readonly eager?: boolean;
  /** 0: a free one. */
  readonly port?: number;
}

/** A scriptable upstream on a free port of 127.0.0.1 that remembers what it saw. */
export async function startUpstream(handler: Handler, options: FixtureOptions = {}): Promise<Upstream> {
  const fixture = new Fixture(handler, options.eager ?? false);
  fixture.server.listen(options.port ?? 0, '127.0.0.1');
  await once(fixture.server, 'listening');
  return fixture;
}

class Fixture implements Upstream {
  readonly server: Server;
  readonly requests: Seen[] = [];
  handler: Handler;
  connections = 0;

  constructor(handler: Handler, eager: boolean) {
    this.handler = handler;
    this.server = createServer((request, response) => void this.#serve(request, response, eager));
    this.server.on('connection', (socket: Socket) => {
      this.connections += 1;
      // Each request on it listens for its end.
      socket.setMaxListeners(0);
    });
    // Broken requests are the proxy's to prevent; here they only end their connection.
    this.server.on('clientError', (_error, socket) => socket.destroy());
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `${this.origin}/mcp`;
  }

  async arrived(count: number): Promise<Seen> {
    while (this.requests.length < count) await once(this.server, 'request');
    return this.requests[count - 1] as Seen;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse, eager: boolean): Promise<void> {
    const seen = remember(request);
    this.requests.push(seen);
    const read = readBody(request, seen);
    if (!eager && !(await read)) return;
    await this.handler(seen, response, request);
  }
}

function remember(request: IncomingMessage): Seen {
  const { rawHeaders } = request;
  const seen: Seen = {
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders,
    socket: request.socket,
    body: Buffer.alloc(0),
    // By hand: `once` rejects at an error, and a reset is a close like any other here.
    closed: new Promise((resolve) => {
      request.socket.once('close', () => {
        seen.closedAt = Date.now();
        resolve();
      });
    }),
    header: (name) => {
      const at = rawHeaders.findIndex((entry, index) => index % 2 === 0 && entry.toLowerCase() === name);
      return at === -1 ? undefined : rawHeaders[at + 1];
    },
  };
  return seen;
}

/** False when the body broke off. */
async function readBody(request: IncomingMessage, seen: Seen): Promise<boolean> {
  try {
    for await (const chunk of request) seen.body = Buffer.concat([seen.body, chunk as Buffer]);
    return true;
  } catch {
    return false;
  }
}

/** A JSON-RPC result under the request's own id. */
export function json(result: unknown, headers: OutgoingHttpHeaders = {}): Handler {
  return (seen, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: idOf(seen), result }));
  };
}

export interface ServerEvent {
  readonly data: unknown;
  readonly event?: string;
  readonly id?: string;
  /** Milliseconds to wait before it. */
  readonly after?: number;
}

/** An event stream; it stays open after the last event if `open` is true. */
export function sse(events: readonly ServerEvent[], { open = false } = {}): Handler {
  return async (_seen, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    for (const event of events) {
      if (event.after) await delay(event.after);
      if (response.destroyed) return;
      response.write(frame(event));
    }
    if (!open) response.end();
  };
}

export function status(code: number, headers: OutgoingHttpHeaders = {}, body: string | Buffer = ''): Handler {
  return (_seen, response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

/** Breaks the connection without an answer, after the request was read. */
export function reset(): Handler {
  return (seen) => void seen.socket.resetAndDestroy();
}

/** Never answers. */
export function hang(): Handler {
  return () => {};
}

/** Answers with bytes that aren't HTTP. */
export function garbage(bytes: string | Buffer = 'SSH-2.0-OpenSSH_9.9\r\n'): Handler {
  return (seen) => void seen.socket.end(bytes);
}

/** `size` bytes of a repeating pattern in chunks of `chunk`, one per `everyMs`. */
export function slowBody(size: number, { chunk = 65_536, everyMs = 1 } = {}): Handler {
  return async (_seen, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size });
    const left = once(response, 'close');
    for (let sent = 0; sent < size && !response.destroyed; sent += chunk) {
      const full = response.write(pattern(sent, Math.min(size, sent + chunk)));
      if (!full) await Promise.race([once(response, 'drain'), left]);
      await delay(everyMs);
    }
    response.end();
  };
}

/** The bytes from `start` up to `end` of what `slowBody` sends. */
export function pattern(start: number, end: number): Buffer {
  return Buffer.from(Array.from({ length: end - start }, (_, index) => (start + index) % 251));
}

/** A whole event, half of the next one, then the connection breaks. */
export function closesMidEvent(): Handler {
  return async (seen, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`${frame({ data: { jsonrpc: '2.0', method: 'notifications/message' } })}data: {"jsonrpc":`);
    await delay(20);
    seen.socket.destroy();
  };
}

/** Refuses the first token that it sees, for good; `then` answers whoever shows another. */
export function refusesFirstToken(code: 401 | 403, then: Handler): Handler {
  let refused: string | undefined;
  return (seen, response, request) => {
    const token = seen.header('authorization');
    refused ??= token;
    if (token !== undefined && token !== refused) return then(seen, response, request);
    const challenge = { 'WWW-Authenticate': 'Bearer error="invalid_token"' };
    return status(code, challenge, '{"error":"invalid_token"}')(seen, response, request);
  };
}

/** Each request gets the next handler; the last one stays. */
export function inTurn(...handlers: readonly [Handler, ...Handler[]]): Handler {
  let calls = 0;
  return (seen, response, request) => {
    const handler = handlers[Math.min(calls, handlers.length - 1)] as Handler;
    calls += 1;
    return handler(seen, response, request);
  };
}

function frame({ data, event, id }: ServerEvent): string {
  const head = `${event ? `event: ${event}\n` : ''}${id ? `id: ${id}\n` : ''}`;
  return `${head}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

function idOf(seen: Seen): unknown {
  try {
    return (JSON.parse(seen.body.toString()) as { id?: unknown }).id ?? null;
  } catch {
    return null;
  }
}
