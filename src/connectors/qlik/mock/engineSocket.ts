import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { SocketView } from './appDoc.js';
import type { Caller } from './ask.js';
import { EngineError } from './engineError.js';
import { Args, type Calling } from './engineMethod.js';
import type { EngineSession } from './engineSession.js';
import { GLOBAL, methodsOf } from './engineTypes.js';
import type { Tenant } from './tenant.js';

const GLOBAL_HANDLE = -1;
const SELECTING = /^Select|^ToggleSelect|^LowLevelSelect/;

interface Handle {
  readonly type: string;
  readonly target: object;
}

interface Call {
  readonly id: number | string;
  readonly method: string;
  readonly handle: number;
  readonly params?: unknown;
}

export interface SocketOf {
  readonly number: number;
  readonly path: string;
  readonly caller: Caller;
  readonly session: EngineSession;
  readonly editable: boolean;
}

/** One socket: JSON-RPC 2.0 with handles, which are its own, on a session, which it may share. */
export class EngineSocket implements SocketView {
  readonly #tenant: Tenant;
  readonly #socket: WebSocket;
  readonly #of: SocketOf;
  readonly #handles = new Map<number, Handle>([[GLOBAL_HANDLE, { type: 'Global', target: GLOBAL }]]);
  readonly #changes = new Set<number>();
  readonly #closes = new Set<number>();
  #lastHandle = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Calls are answered one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(tenant: Tenant, socket: WebSocket, of: SocketOf) {
    this.#tenant = tenant;
    this.#socket = socket;
    this.#of = of;
  }

  start(state: 'SESSION_CREATED' | 'SESSION_ATTACHED'): void {
    this.#socket.on('error', () => {});
    this.#socket.on('message', (data) => this.#heard(String(data)));
    this.#socket.on('ping', () => this.#stir());
    this.#socket.once('close', () => clearTimeout(this.#idle));
    this.#stir();
    this.#send({ method: 'OnConnected', params: { qSessionState: state } });
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** Objects with a layout may look different now. */
  changed(): void {
    for (const [handle, { type }] of this.#handles) if (type !== 'Global') this.#changes.add(handle);
  }

  /** Tells of changes that another socket has made. */
  tell(): void {
    if (this.#changes.size === 0) return;
    this.#send({ method: 'OnChanged', params: {}, ...this.#news() });
  }

  #stir(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(4001, 'idle'), this.#tenant.options.engineIdleMs ?? 40_000);
  }

  #heard(text: string): void {
    this.#stir();
    this.#queue = this.#queue.then(() => this.#serve(text)).catch(() => this.terminate());
  }

  async #serve(text: string): Promise<void> {
    const call = callOf(text);
    if (!call) {
      this.#send({ id: null, error: { code: -32700, parameter: '', message: 'Parse error' } });
      return;
    }
    const delay = this.#tenant.faults.methodDelayOf(call.method);
    if (delay > 0) await sleep(delay);
    const closing = this.#tenant.faults.closings.take(({ method }) => method === call.method);
    if (closing) {
      this.#note(call, closing.code);
      this.close(closing.code, 'a fault that was asked for');
      return;
    }
    this.#answer(call);
  }

  #answer(call: Call): void {
    try {
      const result = this.#run(call);
      this.#note(call, 0);
      this.#send({ id: call.id, result, ...this.#news() });
    } catch (error) {
      const { code, message, parameter } =
        error instanceof EngineError ? error : new EngineError(-128, 'Internal error', String(error));
      this.#note(call, code);
      this.#send({ id: call.id, error: { code, parameter, message } });
    }
  }

  #run({ method, handle, params }: Call): object {
    const fault = this.#tenant.faults.refusals.take((refusal) => refusal.method === method);
    if (fault) throw new EngineError(fault.code, 'A fault that was asked for');
    const meant = this.#handles.get(handle);
    if (!meant) throw new EngineError(-32600, 'Invalid handle', String(handle));
    const methods = methodsOf(meant.type);
    const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!found) throw new EngineError(-32601, 'Method not found', method);
    const args = new Args(found.params, params);
    const dead = SELECTING.test(method) && this.#tenant.faults.deadSelections.take(() => true);
    if (dead) return { [meant.type === 'Field' ? 'qReturn' : 'qSuccess']: true };
    return found.run(args, this.#calling(meant.target) as Calling<never>);
  }

  #calling(target: object): Calling<object> {
    const { session, editable } = this.#of;
    return {
      target,
      session,
      editable,
      open: (type, opened, id, genericType) => this.#open(type, opened, id, genericType),
      gone: (what) => session.everySocket((socket) => socket.drop(what)),
      changed: (everywhere) => {
        const reached = everywhere ? session.doc.sessions : [session];
        for (const one of reached) one.stale();
        for (const one of reached)
          one.everySocket((socket) => {
            socket.changed();
            if (socket !== this) socket.tell();
          });
      },
    };
  }

  #open(type: string, target: object, id = '', genericType = type): object {
    const known = [...this.#handles].find(([, handle]) => handle.target === target)?.[0];
    const handle = known ?? ++this.#lastHandle;
    this.#handles.set(handle, { type, target });
    return { qType: type, qHandle: handle, qGenericType: genericType, qGenericId: id };
  }

  drop(target: object): void {
    for (const [handle, { target: meant }] of this.#handles)
      if (meant === target) {
        this.#handles.delete(handle);
        this.#closes.add(handle);
      }
  }

  #news(): object {
    const change = [...this.#changes];
    const close = [...this.#closes];
    this.#changes.clear();
    this.#closes.clear();
    return { ...(change.length > 0 ? { change } : {}), ...(close.length > 0 ? { close } : {}) };
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  #note({ method, params }: Call, status: number): void {
    const { caller, path, number } = this.#of;
    const entry = { kind: 'frame', who: caller.subject, method, path, query: '', status, socket: number } as const;
    this.#tenant.ledger.add(params === undefined ? entry : { ...entry, body: params });
  }
}

function callOf(text: string): Call | undefined {
  try {
    const call = JSON.parse(text) as Partial<Call>;
    return typeof call.method === 'string' && typeof call.handle === 'number' ? (call as Call) : undefined;
  } catch {
    return undefined;
  }
}
