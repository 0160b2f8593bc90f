import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientOptions, WebSocket } from 'ws';
import type { HeaderLines } from '../../contracts.js';
import { errorCode } from '../../core/errors.js';
import { explainUpstreamError } from '../../wire/explain.js';
import { upgradeRefused } from './engineErrors.js';
import type { EngineLimits } from './engineOptions.js';

/** The protocol was broken (RFC 6455 section 7.4.1). */
const GARBAGE = 1002;
const TOO_LARGE = 1009;
const NO_CLOSE_FRAME = 1006;

type Event = { readonly code?: number; readonly data?: unknown };
type Listener = ((event: Event) => void) | undefined;

/**
 * A websocket as enigma wants to see it. What enigma throws over a message that it can't read ends this socket, and
 * nothing else; why a socket closed is known here, and by code.
 */
export class EngineSocket {
  /** Written by enigma. */
  onopen: Listener;
  onclose: Listener;
  onerror: Listener;
  onmessage: Listener;
  readonly OPEN = 1;
  /** Why it could not be opened: a CredentialRefused, a ToolError or a GatewayError. */
  failure: Error | undefined;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly #ws: WebSocket;
  readonly #origin: string;
  #settle: (code: number) => void = () => undefined;
  #code: number | undefined;
  #opened = false;
  #awaitsPong = false;

  constructor(ws: WebSocket, origin: string) {
    this.#ws = ws;
    this.#origin = origin;
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
    ws.on('open', () => this.#open());
    ws.on('message', (data, binary) => this.#receive(String(data), binary));
    ws.on('pong', () => {
      this.#awaitsPong = false;
    });
    ws.on('unexpected-response', (_, response) => this.#refuse(response));
    ws.on('error', (error) => this.#fail(error));
    ws.on('close', (code) => this.#close(code));
  }

  get readyState(): number {
    return this.#ws.readyState;
  }

  get alive(): boolean {
    return this.readyState === this.OPEN && this.#code === undefined;
  }

  send(text: string): void {
    this.#ws.send(text, () => undefined);
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  /** Closes without waiting for the other side. */
  end(code = NO_CLOSE_FRAME): void {
    this.#code ??= code;
    this.#ws.terminate();
  }

  /** Keeps what is between from dropping a silent socket; one that didn't answer the last time is sick, and ended. */
  ping(): void {
    if (!this.alive) return;
    if (this.#awaitsPong) return this.end();
    this.#awaitsPong = true;
    this.#ws.ping(() => undefined);
  }

  #open(): void {
    this.#opened = true;
    this.onopen?.({});
  }

  #receive(data: string, binary: boolean): void {
    if (this.#code !== undefined) return;
    if (binary) return this.end(GARBAGE);
    try {
      this.onmessage?.({ data });
    } catch {
      this.end(GARBAGE);
    }
  }

  #refuse(response: IncomingMessage): void {
    this.failure = upgradeRefused(this.#origin, response.statusCode ?? 0, response.headers['retry-after']);
    response.resume();
    this.#ws.terminate();
  }

  #fail(error: Error): void {
    if (!this.#opened) this.failure ??= explainUpstreamError(error, this.#origin, true);
    if (errorCode(error) === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return this.end(TOO_LARGE);
    if (errorCode(error)?.startsWith('WS_ERR_')) return this.end(GARBAGE);
    this.onerror?.({});
  }

  #close(code: number): void {
    this.#code ??= code;
    this.#settle(this.#code);
    this.onclose?.({ code: this.#code });
  }
}

/** Nothing is compressed, redirected or larger than it may be; what is shown goes to this address, and to no other. */
export function socketOptions(
  headers: HeaderLines,
  url: URL,
  limits: Pick<EngineLimits, 'maxMessageBytes'>,
  reach: ((url: URL) => Promise<Socket>) | undefined,
): ClientOptions {
  const lines: Record<string, string> = {};
  for (let at = 0; at + 1 < headers.length; at += 2) lines[headers[at] as string] = headers[at + 1] as string;
  return {
    headers: lines,
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: limits.maxMessageBytes,
    ...(reach ? { createConnection: connector(url, reach) } : {}),
  };
}

/** Node's `createConnection`, by a promise. */
function connector(url: URL, reach: (url: URL) => Promise<Socket>): NonNullable<ClientOptions['createConnection']> {
  const connect = (_: unknown, done: (error: Error | null, socket?: Socket) => void) => {
    reach(url).then(
      (socket) => done(null, socket),
      (error: Error) => done(error),
    );
  };
  return connect as unknown as NonNullable<ClientOptions['createConnection']>;
}
