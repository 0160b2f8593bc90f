import http from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock, Door, Exchange, Handler, RawExchange, Reply, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { WELL_KNOWN } from '../identity/challenge.js';
import { callerLeft } from '../wire/explain.js';
import { InboundMessage } from '../wire/inboundMessage.js';
import { isMcpPath, splitTarget } from '../wire/paths.js';
import { toOriginForm } from './absoluteForm.js';
import { isAdminPath, METRICS_PATH, UI_PATH } from './admin.js';
import { Arrivals } from './arrivals.js';
import { ConnectionLimit } from './connectionLimit.js';
import { endExchange, RequestIds, SocketExchange } from './exchanges.js';
import { answerUpgrade, malformed } from './refusals.js';
import { respond } from './respond.js';
import type { SseDoor, SseWays } from './sseDoor.js';
import { type SseWay, sseWay } from './ssePaths.js';

/** The compiled chains; asked for at every request, so that a reload takes effect with the next one. */
export interface Doors {
  readonly mcp: Handler;
  readonly web: Handler;
  /** For a caller on stdin; the server itself doesn't serve it. */
  readonly stdio?: Handler;
  /** `/.well-known/oauth-protected-resource`; absent where callers aren't known, as is the management API. */
  readonly metadata?: Handler;
  readonly admin?: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  /** Whether the page of the management API is there too. */
  readonly ui: boolean;
  /** HTTP+SSE of 2024-11-05. */
  readonly sse?: SseWays;
  /** Pages of people who log in; absent where nobody does. */
  readonly logins?: {
    serves(path: string): boolean;
    readonly listener: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  };
  /** `/metrics`; absent where nothing is counted, or it is served elsewhere. */
  readonly metrics?: (request: http.IncomingMessage, response: http.ServerResponse) => void;
}

export interface EdgeDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  doors(): Doors;
  /** Its sessions outlive the doors of one configuration. */
  readonly sse: SseDoor;
  /** How many connections are served at a time; asked at each. */
  maxConnections(): number;
  /** The answer to a probe, or undefined for any other path. */
  probe(path: string, request: http.IncomingMessage): { status: number; body: object } | undefined;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than a load balancer keeps an idle connection, so that it isn't us who closes under its hands. */
const KEEP_ALIVE_MS = 65_000;
const HEADERS_MS = 30_000;
const REQUEST_MS = 120_000;
/** So long a connection that is open when the port is closed may take to say what it was opened for. */
const UNUSED_MS = 250;
/** Between two words on how a drain goes. */
const PROGRESS_MS = 2_000;

/** What is under way: calls that will be answered, and streams that may stay open for ever. */
export interface UnderWay {
  readonly calls: number;
  readonly streams: number;
}

/** The sockets: `/mcp`, the probes, and everything else for PASSTHROUGH. */
export class EdgeServer {
  readonly #deps: EdgeDeps;
  readonly #server: http.Server;
  /**
   * What is under way on each connection: several exchanges where a caller pipelines. Not one Set of all: its table is
   * copied as entries come and go, and each copy left behind keeps what it held alive until the next full collection.
   */
  readonly #sockets = new Map<Duplex, SocketExchange[]>();
  readonly #ids = new RequestIds();
  readonly #limit: ConnectionLimit;
  readonly #arrivals = new Arrivals();
  #draining = false;

  constructor(deps: EdgeDeps) {
    this.#deps = deps;
    this.#limit = new ConnectionLimit(deps.maxConnections, deps.signals);
    this.#server = http.createServer({
      IncomingMessage: InboundMessage,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      // The guard asks for Host itself: a probe needs none.
      requireHostHeader: false,
    });
    // Headers are limited by their bytes: past a count, Node would drop the rest in silence.
    this.#server.maxHeadersCount = 0;
    // Every `web` upstream that a reload brings listens for the server's end, once.
    this.#server.setMaxListeners(0);
    this.#server.on('connection', (socket) => this.#opened(socket));
    this.#server.on('request', (request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('clientError', (error, socket) => malformed(error, socket, this.#answering(socket)));
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** True for what came by a connection that is one too many, or while memory is short; its connection goes with it. */
  overloaded({ request }: Exchange, memoryIsShort: boolean): boolean {
    const { raw } = request;
    const refused = memoryIsShort || (raw !== undefined && this.#limit.isSurplus(raw.request.socket));
    if (refused && raw?.response instanceof http.ServerResponse) raw.response.shouldKeepAlive = false;
    return refused;
  }

  get underWay(): UnderWay {
    const running = this.#running();
    const streams = running.filter(isStream).length;
    return { calls: running.length - streams, streams };
  }

  /** Resolves with the URL once connections are accepted. */
  listen(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        const address = this.#server.address() as AddressInfo;
        resolve(`http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`);
      });
    });
  }

  /** Refuses new work, takes no more of it when nobody comes any longer, and resolves when running work is done, or was cut after `drainMs`: with what was cut, undefined where nothing was. */
  async drain(drainMs: number, tell: (left: UnderWay) => void = () => {}): Promise<UnderWay | undefined> {
    this.#draining = true;
    // Connections whose answer is still to come end with it, so that nobody waits for their keep-alive.
    for (const { request } of this.#running()) {
      const { response } = request.raw;
      if (response instanceof http.ServerResponse) response.shouldKeepAlive = false;
    }
    this.#deps.sse.drain(drainMs);
    const progress = setInterval(() => tell(this.underWay), PROGRESS_MS);
    let cut: UnderWay | undefined;
    const late = setTimeout(() => {
      const left = this.underWay;
      // A page that somebody looked at is no loss.
      if (left.calls + left.streams > 0) cut = left;
      for (const exchange of this.#running()) {
        exchange.leave(new GatewayError('DRAINING', 'the process is stopping'));
        exchange.request.raw.response.destroy();
      }
      this.#server.closeAllConnections();
    }, drainMs);
    if (drainMs > 0) await this.#arrivals.cease(drainMs);
    await this.#close(Math.min(UNUSED_MS, drainMs));
    clearTimeout(late);
    clearInterval(progress);
    return cut;
  }

  /** Resolves when the port is closed, and every connection. */
  async #close(unusedMs: number): Promise<void> {
    const unused = setTimeout(() => this.#endUnused(), unusedMs);
    await new Promise((resolve) => this.#server.close(resolve));
    clearTimeout(unused);
  }

  /** Node takes a connection that was opened ahead, and never used, for a busy one. */
  #endUnused(): void {
    for (const socket of this.#sockets.keys()) if (socket instanceof Socket && socket.bytesRead === 0) socket.destroy();
  }

  #opened(socket: Socket): void {
    if (this.#draining) this.#arrivals.came();
    if (!this.#limit.admits(socket, this.#sockets.size)) return void socket.destroy();
    this.#sockets.set(socket, []);
    socket.once('close', () => {
      // A response that waits behind another is never told that its connection is gone.
      for (const exchange of [...(this.#sockets.get(socket) ?? [])]) this.#closed(exchange);
      this.#sockets.delete(socket);
      this.#limit.closed(socket, this.#sockets.size);
    });
  }

  #running(): SocketExchange[] {
    return [...this.#sockets.values()].flat();
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (this.#draining) this.#arrivals.came();
    if (this.#draining || this.#limit.isSurplus(request.socket)) response.shouldKeepAlive = false;
    toOriginForm(request);
    const [path] = splitTarget(request.url ?? '');
    const probe = this.#deps.probe(path, request);
    if (probe) return sendProbe(response, probe);
    const doors = this.#deps.doors();
    const own = listenerOf(doors, path);
    if (own) return own(request, response);
    const way = doors.sse && sseWay(path, request, doors.sse.atRoot);
    const door = way || isMcpPath(path) ? 'mcp' : 'web';
    const exchange = this.#begin(door, { request, response });
    response.on('close', () => this.#closed(exchange));
    const reply = way ? this.#sse(way, doors.sse, exchange) : handlerOf(doors, door, path)(exchange);
    if (reply instanceof Promise) void reply.then((later) => this.#answer(response, later, exchange));
    else this.#answer(response, reply, exchange);
  }

  #sse(way: SseWay, ways: SseWays | undefined, exchange: Exchange): Reply | Promise<Reply> {
    return way === 'message' || !ways ? this.#deps.sse.post(exchange) : ways.open(exchange);
  }

  #answer(response: http.ServerResponse, reply: Reply, exchange: Exchange): void {
    try {
      respond(response, reply, exchange)?.catch((error: unknown) => this.#lost(error, response));
    } catch (error) {
      this.#lost(error, response);
    }
  }

  #upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    toOriginForm(request);
    const exchange = this.#begin('web', { request, response: socket, head });
    socket.on('error', () => socket.destroy());
    Promise.resolve(this.#deps.doors().web(exchange))
      .then((later) => answerUpgrade(socket, later, exchange))
      .catch((error) => this.#lost(error, socket));
  }

  #begin(door: Door, raw: RawExchange): SocketExchange {
    const exchange = new SocketExchange(this.#ids.next(), door, raw, this.#deps.clock);
    this.#sockets.get(raw.request.socket)?.push(exchange);
    return exchange;
  }

  /** The answer is out, or the connection is gone; may be called for both. */
  #closed(exchange: SocketExchange): void {
    const { request, response } = exchange.request.raw;
    const running = this.#sockets.get(request.socket);
    if (running?.length === 1 && running[0] === exchange) running.pop();
    else if (running?.includes(exchange)) running.splice(running.indexOf(exchange), 1);
    // A head that was out before the drain has promised to keep the connection.
    if (this.#draining && running?.length === 0) request.socket.destroySoon();
    // Whoever took the socket over knows how that went.
    if (!(response instanceof http.ServerResponse)) return exchange.leave(callerLeft());
    if (response.writableFinished) return endExchange(exchange, 'complete', response.statusCode);
    exchange.leave(callerLeft());
    endExchange(exchange, 'caller-left', response.headersSent ? response.statusCode : 499);
  }

  /** An answer that can't even be written, such as a header line that Node refuses. */
  #lost(error: unknown, socket: http.ServerResponse | Duplex): void {
    this.#deps.signals.emit('exchange.failed', { cause: error instanceof Error ? error.stack : String(error) });
    socket.destroy();
  }

  /** True while a call is under way on the socket: a refusal of what came behind it would be taken for its answer. */
  #answering(socket: Duplex): boolean {
    for (const { request } of this.#sockets.get(socket) ?? []) {
      const { response } = request.raw;
      if (response instanceof http.ServerResponse && response.socket === socket) {
        return response.headersSent || response.req.complete;
      }
    }
    return false;
  }
}

/** A GET of MCP only listens; so does a subscription, and a WebSocket is whatever it likes for as long as it likes. */
function isStream({ door, request, call }: SocketExchange): boolean {
  if (!(request.raw.response instanceof http.ServerResponse)) return true;
  return (door === 'mcp' && request.method === 'GET') || call?.method === 'subscriptions/listen';
}

/** What answers a path of the house's own. */
function listenerOf(doors: Doors, path: string): http.RequestListener | undefined {
  if (isAdminPath(path) || (doors.ui && path === UI_PATH)) return doors.admin;
  if (path === METRICS_PATH) return doors.metrics;
  return doors.logins?.serves(path) ? doors.logins.listener : undefined;
}

function handlerOf(doors: Doors, door: 'mcp' | 'web', path: string): Handler {
  return doors.metadata && path.startsWith(WELL_KNOWN) ? doors.metadata : doors[door];
}

function sendProbe(response: http.ServerResponse, probe: { status: number; body: object }): void {
  const bytes = Buffer.from(JSON.stringify(probe.body));
  response.writeHead(probe.status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': bytes.length,
  });
  response.end(bytes);
}
