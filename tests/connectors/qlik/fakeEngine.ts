import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Frame {
  readonly id: number;
  readonly method: string;
  readonly handle: number;
  readonly params: readonly unknown[];
  readonly socket: WebSocket;
}

/** The result of a method, `undefined` for silence, or a function that does something to the socket instead. */
type Answer = (frame: Frame) => object | undefined;

const USUAL: Readonly<Record<string, Answer>> = {
  OpenDoc: ({ params }) => ({ qReturn: { qType: 'Doc', qHandle: 1, qGenericId: params[0] } }),
  ClearAll: () => ({}),
  CancelRequest: () => ({}),
  GetScript: () => ({ qScript: 'LOAD 1;' }),
  ApplyBookmark: () => ({ qSuccess: true }),
};

/** An engine of which every frame is in the test's hands, for what the mock is too honest to do. */
export class FakeEngine {
  readonly upgrades: IncomingMessage[] = [];
  readonly frames: Frame[] = [];
  readonly sockets = new Set<WebSocket>();
  /** Besides the usual ones, or instead of them. */
  answers: Record<string, Answer> = {};
  /** What the upgrade is answered with instead of 101: a status line and headers. */
  refusal: string | undefined;
  /** Upgrades are left without an answer. */
  deaf = false;
  /** Pings are left without an answer. */
  autoPong = true;
  greeting: string | undefined =
    '{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}';
  readonly #http: Server;
  readonly #raw = new Set<Duplex>();

  private constructor(http: Server) {
    this.#http = http;
  }

  static async start(): Promise<FakeEngine> {
    const http = createServer();
    const engine = new FakeEngine(http);
    http.on('upgrade', (request, socket, head) => {
      engine.upgrades.push(request);
      socket.on('error', () => undefined);
      engine.#raw.add(socket);
      if (engine.deaf) return;
      if (engine.refusal !== undefined) {
        socket.end(`HTTP/1.1 ${engine.refusal}\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      const server = new WebSocketServer({ noServer: true, autoPong: engine.autoPong });
      server.handleUpgrade(request, socket, head, (open) => engine.#serve(open));
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return engine;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`);
  }

  count(method: string): number {
    return this.frames.filter((frame) => frame.method === method).length;
  }

  /** Resolves with the frame of a method that comes next. */
  next(method: string): Promise<Frame> {
    return this.#heard(method, this.count(method));
  }

  async close(): Promise<void> {
    for (const socket of this.#raw) socket.destroy();
    this.#http.close();
    await once(this.#http, 'close');
  }

  #waiting: (() => void)[] = [];

  async #heard(method: string, before: number): Promise<Frame> {
    for (;;) {
      const found = this.frames.filter((frame) => frame.method === method)[before];
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #serve(socket: WebSocket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
    if (this.greeting !== undefined) socket.send(this.greeting);
    socket.on('message', (data) => {
      const frame = { ...(JSON.parse(String(data)) as Omit<Frame, 'socket'>), socket };
      this.frames.push(frame);
      for (const heard of this.#waiting.splice(0)) heard();
      const result = (this.answers[frame.method] ?? USUAL[frame.method])?.(frame);
      if (result)
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: frame.id, ...('error' in result ? result : { result }) }));
    });
  }
}
