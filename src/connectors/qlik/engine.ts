import type { ToolContext } from '../../contracts/tools.js';
import { unlessAborted } from '../../core/async.js';
import { ToolError } from '../../core/toolErrors.js';
import { EngineConnection, within } from './engineConnection.js';
import { closedAtOpening, EngineLost, REFUSED_CREDENTIAL, TOO_MANY_SESSIONS } from './engineErrors.js';
import { ENGINE_LIMITS, type EngineLimits, type EngineOptions } from './engineOptions.js';
import { EnginePool } from './enginePool.js';
import { principalOf } from './enginePrincipal.js';
import type { EngineSession, Purpose, SessionOf, Shown } from './engineSession.js';
import type { QixApp } from './engineTypes.js';
import { EngineWire } from './engineWire.js';
import { spanned } from './spans.js';

export type { EngineLimits, EngineOptions } from './engineOptions.js';

/** What a tool is about: an app by its id, without selections, or one that was opened, with those made in it. */
export interface AppTarget {
  readonly appId?: string | undefined;
  readonly handle?: string | undefined;
}

/** What tools need of the engine. */
export interface Engine {
  /** Opens an app of its own for the caller, and resolves with the handle that it is used by. */
  open(context: ToolContext, appId: string, keepSavedSelection: boolean): Promise<string>;
  /** Lends an app to a job, for as long as that takes. */
  use<Value>(
    context: ToolContext,
    target: AppTarget,
    purpose: Purpose,
    job: (app: QixApp) => Promise<Value>,
  ): Promise<Value>;
  /** Ends the session of a handle. */
  leave(context: ToolContext, handle: string): Promise<void>;
}

/** The engine (QIX) of one tenant of Qlik Cloud. No session of it ever serves two principals. */
export class QlikEngine implements Engine {
  readonly #limits: EngineLimits;
  readonly #options: EngineOptions;
  readonly #wire: EngineWire;
  readonly #pool: EnginePool;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#limits = { ...ENGINE_LIMITS, ...options.limits };
    this.#wire = new EngineWire(options, this.#limits);
    this.#pool = new EnginePool({
      limits: this.#limits,
      clock: options.clock,
      connect: (of, shown) => this.#connect(of, shown),
      lost: (of, code) => this.#lost(of, code),
    });
  }

  /** Sessions that are kept, with and without a socket. */
  get sessions(): number {
    return this.#pool.size;
  }

  async open(context: ToolContext, appId: string, keepSavedSelection: boolean): Promise<string> {
    const session = this.#pool.add(principalOf(context), checked(appId), keepSavedSelection);
    try {
      await this.#lend(session, context, 'read', async () => undefined);
    } catch (error) {
      await this.#pool.remove(session);
      throw error;
    }
    return session.of.handle;
  }

  async use<Value>(
    context: ToolContext,
    target: AppTarget,
    purpose: Purpose,
    job: (app: QixApp) => Promise<Value>,
  ): Promise<Value> {
    return this.#lend(this.#session(context, target), context, purpose, job);
  }

  async leave(context: ToolContext, handle: string): Promise<void> {
    await this.#pool.remove(this.#pool.byHandle(principalOf(context), handle));
  }

  /** An app was reloaded: whoever reads it next opens it anew, unless selections would be lost by that. */
  renew(appId: string): void {
    this.#pool.renew(appId);
  }

  /** Ends every session and what runs on it. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #session(context: ToolContext, { appId, handle }: AppTarget): EngineSession {
    const principal = principalOf(context);
    if (handle === undefined) {
      if (appId === undefined) throw new ToolError('Give appId, or the handle that qlik_open_app answered.');
      return this.#pool.shared(principal, checked(appId));
    }
    const session = this.#pool.byHandle(principal, handle);
    if (appId === undefined || appId === session.of.appId) return session;
    throw new ToolError('That handle is of another app: give the handle alone.');
  }

  async #lend<Value>(
    session: EngineSession,
    { credential, signal, span }: ToolContext,
    purpose: Purpose,
    job: (app: QixApp) => Promise<Value>,
  ): Promise<Value> {
    const { callMs } = this.#limits;
    const tooLong = new AbortController();
    const ends = AbortSignal.any([signal, tooLong.signal]);
    const call = { purpose, credential, signal: ends, ...(span ? { span } : {}) };
    const late = () => {
      const error = new ToolError(`The engine took longer than ${callMs / 1000} s: ask for less, or select first.`);
      tooLong.abort(error);
      return error;
    };
    // What must not be broken off goes on by itself; nobody waits for it.
    return within(unlessAborted(session.use(call, job), call.signal), callMs, this.#options.clock, late);
  }

  /** Once more where the socket is closed before the app is open, and that for no reason which would still be there. */
  async #connect(of: SessionOf, shown: Shown): Promise<EngineConnection> {
    try {
      return await this.#openOnce(of, shown);
    } catch (error) {
      if (!(error instanceof EngineLost) || !(await this.#mayHelp(error, of))) throw this.#refusal(error);
    }
    return this.#openOnce(of, shown).catch((error: unknown) => {
      throw this.#refusal(error);
    });
  }

  /** The engine counts sessions by its own users: where those are too many, one that nobody would miss is given up. */
  async #mayHelp(error: EngineLost, { principal }: SessionOf): Promise<boolean> {
    if (error.code === TOO_MANY_SESSIONS) return this.#pool.releaseOne(principal);
    return error.worthReopening && error.code !== REFUSED_CREDENTIAL;
  }

  #refusal(error: unknown): unknown {
    return error instanceof EngineLost ? closedAtOpening(error.code, this.#options.url.origin) : error;
  }

  #openOnce({ appId, keepSavedSelection }: SessionOf, { credential, span }: Shown): Promise<EngineConnection> {
    return spanned(span, 'qix open', (lines) =>
      EngineConnection.open({
        appId,
        keepSavedSelection,
        headers: [...(credential?.headers ?? []), ...lines],
        wire: this.#wire.wire,
        limits: this.#limits,
        clock: this.#options.clock,
        origin: this.#options.url.origin,
      }),
    );
  }

  #lost({ appId }: SessionOf, code: number): void {
    const { destination, signals } = this.#options;
    signals.emit('qlik.engine-lost', { destination, app: appId, code });
  }
}

/** An id of Qlik's, and no path. */
function checked(appId: string): string {
  if (/^[\w-]{1,64}$/.test(appId)) return appId;
  throw new ToolError('appId is no id of an app: find it with qlik_search.');
}
