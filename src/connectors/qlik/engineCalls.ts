import { unlessAborted } from '../../core/async.js';
import { ABORTED, EngineLost, EngineRefusal, NOT_FOUND } from './engineErrors.js';
import type { QixMethods, QixObject, QixOpenings } from './engineTypes.js';
import { type Span, spanned } from './spans.js';

/** What enigma makes of an object of the engine: a function for each method. */
export type EnigmaApi = { readonly id: string } & Readonly<
  Record<string, (...params: unknown[]) => Promise<unknown> & { readonly requestId?: number }>
>;

/** Where calls go: one socket. */
export interface CallRoad {
  /** The close code, once the socket is closed. */
  readonly closeCode: number | undefined;
  /** Resolves with it. */
  readonly closed: Promise<number>;
  /** Tells the engine that nobody waits for that answer any more. */
  cancel(requestId: number): void;
}

/** An object of the engine in the hands of one call: its questions end when the call does. */
export class EngineObject implements QixObject {
  readonly #api: EnigmaApi;
  readonly #road: CallRoad;
  readonly #signal: AbortSignal | undefined;
  readonly #span: Span;

  constructor(api: EnigmaApi, road: CallRoad, signal?: AbortSignal, span?: Span) {
    this.#api = api;
    this.#road = road;
    this.#signal = signal;
    this.#span = span;
  }

  get id(): string {
    return this.#api.id;
  }

  during(signal?: AbortSignal, span: Span = this.#span): EngineObject {
    return new EngineObject(this.#api, this.#road, signal, span);
  }

  async ask<Name extends keyof QixMethods>(
    method: Name,
    ...params: Parameters<QixMethods[Name]>
  ): Promise<ReturnType<QixMethods[Name]>> {
    return (await this.#call(method, params)) as ReturnType<QixMethods[Name]>;
  }

  async open<Name extends keyof QixOpenings>(
    method: Name,
    ...params: Parameters<QixOpenings[Name]>
  ): Promise<EngineObject> {
    const api = await this.#call(method, params);
    if (!isApi(api)) throw new EngineRefusal(method, NOT_FOUND, '');
    return new EngineObject(api, this.#road, this.#signal, this.#span);
  }

  /** A calculation that gave way to a selection made meanwhile is asked for once more. */
  async #call(method: string, params: readonly unknown[]): Promise<unknown> {
    try {
      return await this.#spanned(method, params);
    } catch (error) {
      if (method !== 'getLayout' || !(error instanceof EngineRefusal) || error.code !== ABORTED) throw error;
      return this.#spanned(method, params);
    }
  }

  /** A frame has no headers: the engine hears nothing of the trace but what its socket was opened with. */
  #spanned(method: string, params: readonly unknown[]): Promise<unknown> {
    return spanned(this.#span, `qix ${method}`, () => this.#send(method, params));
  }

  async #send(method: string, params: readonly unknown[]): Promise<unknown> {
    this.#signal?.throwIfAborted();
    const pending = (this.#api[method] as EnigmaApi[string])(...params);
    try {
      return await (this.#signal ? unlessAborted(pending, this.#signal) : pending);
    } catch (error) {
      if (this.#signal?.aborted) {
        if (pending.requestId !== undefined) this.#road.cancel(pending.requestId);
        throw this.#signal.reason;
      }
      throw await this.#explain(method, error);
    }
  }

  /** enigma rejects what was pending before its caller hears of the close code. */
  async #explain(method: string, error: unknown): Promise<Error> {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code === NOT_CONNECTED) return new EngineLost(this.#road.closeCode ?? (await this.#road.closed));
    if (code === NOTHING) return new EngineRefusal(method, NOT_FOUND, '');
    if (typeof code !== 'number') return error as Error;
    return new EngineRefusal(method, code, typeof message === 'string' ? message : '');
  }
}

/** enigma's own codes: for a socket that is closed, and for an answer that holds no object. */
const NOT_CONNECTED = -1;
const NOTHING = -2;

function isApi(value: unknown): value is EnigmaApi {
  return typeof value === 'object' && value !== null && 'handle' in value && 'session' in value;
}
