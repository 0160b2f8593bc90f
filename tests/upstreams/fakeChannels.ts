import type { Attempt, Reply } from '../../src/contracts.js';
import type { GatewayError } from '../../src/core/errors.js';
import type { Channel, ChannelHandlers } from '../../src/upstreams/channel.js';
import { ChannelFace } from '../../src/upstreams/channelFace.js';
import type { ChannelFaceOptions } from '../../src/upstreams/channelFaceLimits.js';
import { OpenExchange, OwnRequest } from '../../src/wire/exchange.js';
import { parseCall } from '../../src/wire/mcp.js';
import { readMessages } from '../../src/wire/messages.js';
import type { ServerSentEvent } from '../../src/wire/sse.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

export type Json = Record<string, unknown>;

/** The server's end of a channel. */
export class FakeChannel implements Channel {
  readonly sent: string[] = [];
  isClosed = false;
  readonly #handlers: ChannelHandlers;
  /** Answers what is sent, where it is set. */
  respond: ((message: Json) => void) | undefined;

  constructor(handlers: ChannelHandlers) {
    this.#handlers = handlers;
  }

  get messages(): Json[] {
    return this.sent.map((text) => JSON.parse(text) as Json);
  }

  get last(): Json {
    return this.messages.at(-1) as Json;
  }

  send(message: string | Buffer): undefined {
    this.sent.push(message.toString());
    if (this.respond) queueMicrotask(() => this.respond?.(this.last));
    return undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  says(message: object | string): boolean {
    return this.#handlers.message(
      typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }),
    );
  }

  breaks(reason: GatewayError): void {
    this.#handlers.closed(reason);
  }
}

/** A face whose channels answer `initialize` by themselves. */
export function openFace(options: Partial<ChannelFaceOptions> = {}) {
  const channels: FakeChannel[] = [];
  const clock = new FakeClock();
  const face = new ChannelFace({
    name: 'child',
    clock,
    signals: new FakeSignals(),
    open: async (_carrying, handlers) => {
      const channel = new FakeChannel(handlers);
      channel.respond = ({ method, id }) => {
        if (method === 'initialize') channel.says({ id, result: { protocolVersion: '2025-11-25' } });
      };
      channels.push(channel);
      return channel;
    },
    ...options,
  });
  return { face, channels, clock };
}

export type Face = ReturnType<typeof openFace>;

/** One caller's requests to a face. */
export class Caller {
  session: string | undefined;
  readonly #face: Face;
  readonly #subject: string;

  constructor(face: Face, subject = 'ada') {
    this.#face = face;
    this.#subject = subject;
  }

  exchange(method: 'POST' | 'GET' | 'DELETE', message?: object | string, headers: Record<string, string> = {}) {
    const session = this.session === undefined ? {} : { 'mcp-session-id': this.session };
    const headerLines = Object.entries({ ...session, ...headers }).flat();
    const about = { method, target: '/mcp', remoteAddress: '127.0.0.1', headerLines };
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const body = message === undefined ? undefined : Buffer.from(text);
    const exchange = new OpenExchange('id', 'mcp', new OwnRequest(about, body), this.#face.clock);
    exchange.principal = { subject: this.#subject } as never;
    exchange.call = body
      ? parseCall(body, exchange.request)
      : { kind: method === 'GET' ? 'stream' : 'end', era: 'legacy', body: null };
    return exchange;
  }

  send(method: 'POST' | 'GET' | 'DELETE', message?: object | string, headers?: Record<string, string>) {
    return this.#face.face.send(this.exchange(method, message, headers), {} as Attempt);
  }

  post(message: object): Promise<Reply> {
    return this.send('POST', Array.isArray(message) ? message : { jsonrpc: '2.0', ...message });
  }

  /** With what it answers, and the channel that serves it. */
  async begin(id: number | string = 0): Promise<FakeChannel> {
    const reply = await this.post({ id, method: 'initialize', params: {} });
    this.session = reply.headers[reply.headers.indexOf('mcp-session-id') + 1];
    const channel = this.#face.channels.at(-1) as FakeChannel;
    await this.post({ method: 'notifications/initialized' });
    return channel;
  }
}

/** An answer as it comes in. */
export class Heard {
  readonly events: ServerSentEvent[] = [];
  ended = false;
  readonly #flow: { cancel(): void };

  constructor(reply: Reply) {
    this.#flow = readMessages(reply, {
      message: (text, event) => this.events.push(event ?? { data: text }),
      end: () => {
        this.ended = true;
      },
      fail: () => {
        this.ended = true;
      },
    });
  }

  get messages(): Json[] {
    return this.events.map(({ data }) => JSON.parse(String(data)) as Json);
  }

  /** The caller's connection breaks. */
  leave(): void {
    this.#flow.cancel();
  }
}

/** Lets everything happen that waits for nothing. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
