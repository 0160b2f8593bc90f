import {
  type JSONRPCMessage,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type Transport,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Said } from './toolsetAnswer.js';
import type { ListedTool } from './toolsetSchema.js';

const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';
/** Callers that listen at a time. */
const MOST_LISTENERS = 10_000;

/** Whoever waits for what the server says to one request. */
export interface Asker {
  /** The id of the request, as its caller wrote it. */
  readonly id: string | number;
  notify(message: Said): void;
  answer(message: Said): void;
}

/** What the server serves. */
export interface Served {
  readonly name: string;
  readonly instructions: string | undefined;
  listed(): readonly ListedTool[];
  /** The result of a call, by the number of its request; undefined for a tool that isn't there. */
  call(ask: number, tool: string, given: unknown, progress: (step: object) => void): Promise<object> | undefined;
}

type Ends = Pick<Transport, 'onmessage' | 'onclose' | 'onerror'>;

/**
 * The official SDK's server of 2026-07-28, one for all callers: it is made once, so that a call costs a third of what a
 * server of its own would cost it. To the SDK we are a pair of pipes; requests are told apart by numbers of our own.
 */
export class ToolServer {
  readonly #askers = new Map<number, Asker>();
  readonly #pipe: Transport & Ends;
  readonly #serving: { close(): Promise<void> };
  #server: Server | undefined;

  constructor(served: Served) {
    this.#pipe = {
      start: async () => {},
      close: async () => {},
      send: async (message, options) => this.#hear(message as Said, options?.relatedRequestId),
    };
    const factory = () => {
      this.#server = createServer(served);
      return this.#server;
    };
    this.#serving = serveStdio(factory, {
      transport: this.#pipe,
      legacy: 'reject',
      maxSubscriptions: MOST_LISTENERS,
    });
  }

  /** Puts a request whose envelope is in order, under a number of its own. What comes of it goes to the asker, until `forget`. */
  ask(ask: number, message: object, asker: Asker): void {
    this.#askers.set(ask, asker);
    this.#say({ ...message, id: ask });
  }

  /** Nobody waits for it any more: what has not been answered is cancelled. */
  forget(ask: number): void {
    if (!this.#askers.delete(ask)) return;
    this.#say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: ask } });
  }

  /** Tells whoever listens that there are other tools. */
  changed(): void {
    this.#server?.sendToolListChanged().catch(() => {});
  }

  /** Says goodbye to whoever listens. */
  async close(): Promise<void> {
    await this.#serving.close();
  }

  #say(message: object): void {
    this.#pipe.onmessage?.(message as JSONRPCMessage);
  }

  /** An answer has the number of its request; a notification belongs to a call, or to a subscription. */
  #hear(message: Said, related: unknown): void {
    if (message.method === undefined) {
      const asker = this.#askers.get(message.id as number);
      this.#askers.delete(message.id as number);
      return asker?.answer(ofCaller(message, asker));
    }
    const params = message.params as { readonly _meta?: Said } | undefined;
    const asker = this.#askers.get((related ?? params?._meta?.[SUBSCRIPTION_KEY]) as number);
    asker?.notify(ofCaller(message, asker));
  }
}

/** A subscription has the number of its request, too. */
function ofCaller(message: Said, { id }: Asker): Said {
  for (const part of ['params', 'result']) {
    const inner = message[part] as { readonly _meta?: Said } | undefined;
    if (inner?._meta?.[SUBSCRIPTION_KEY] === undefined) continue;
    return { ...message, [part]: { ...inner, _meta: { ...inner._meta, [SUBSCRIPTION_KEY]: id } } };
  }
  return message;
}

function createServer({ name, instructions, listed, call }: Served): Server {
  const server = new Server(
    { name, version: '1' },
    { capabilities: { tools: { listChanged: true } }, ...(instructions === undefined ? {} : { instructions }) },
  );
  server.setRequestHandler('tools/list', async () => ({ tools: [...listed()] as never }));
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const token = params._meta?.progressToken;
    const progress = (step: object) => {
      if (token === undefined) return;
      const told = { progressToken: token, ...step } as never;
      mcpReq.notify({ method: 'notifications/progress', params: told }).catch(() => {});
    };
    const result = call(mcpReq.id as number, params.name, params.arguments, progress);
    if (!result) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    return result as never;
  });
  return server;
}
