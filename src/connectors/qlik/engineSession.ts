import type { Clock, Credential } from '../../contracts.js';
import { unlessAborted } from '../../core/async.js';
import { ToolError } from '../../core/toolErrors.js';
import type { EngineConnection } from './engineConnection.js';
import { closing, EngineLost } from './engineErrors.js';
import type { EngineLimits } from './engineOptions.js';
import type { QixApp } from './engineTypes.js';
import type { Span } from './spans.js';

/**
 * What a call is about to do. `select` and `clear` settle what is selected; `write` changes the app, and is never done twice.
 */
export type Purpose = 'read' | 'select' | 'clear' | 'write';

/** One call of a tool, as a session sees it. */
export interface SessionCall {
  readonly purpose: Purpose;
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
  readonly span?: Span;
}

/** What of a call a socket is opened with. */
export type Shown = Pick<SessionCall, 'credential' | 'span'>;

/** Whose a session is, and of what. */
export interface SessionOf {
  /** A scope key: who may use it. */
  readonly principal: string;
  readonly appId: string;
  /** Absent: the principal's session without selections. */
  readonly handle?: string;
  readonly keepSavedSelection: boolean;
}

export interface SessionDeps {
  readonly limits: EngineLimits;
  readonly clock: Clock;
  /** Makes room for one more socket, or rejects. */
  readonly room: (session: EngineSession) => Promise<void>;
  readonly connect: (of: SessionOf, shown: Shown) => Promise<EngineConnection>;
  /** Hears why a socket closed that nobody here had closed. */
  readonly lost: (of: SessionOf, code: number) => void;
}

/**
 * One app open for one principal. It outlives its sockets: where one is gone, the next call opens another. What was selected
 * goes with the socket, and nobody gets an answer without it who hasn't been told so.
 */
export class EngineSession {
  readonly of: SessionOf;
  lastUsed: number;
  running = 0;
  readonly #deps: SessionDeps;
  #connection: EngineConnection | undefined;
  #opening: Promise<EngineConnection> | undefined;
  /** Until when the token serves that its socket was opened with; epoch milliseconds. */
  #shownUntil = Number.POSITIVE_INFINITY;
  #isStale = false;
  #selections: 'none' | 'made' | 'lost' = 'none';
  #changes: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(of: SessionOf, deps: SessionDeps) {
    this.of = of;
    this.#deps = deps;
    this.lastUsed = deps.clock.monotonic();
  }

  /** True while it has a socket, or is about to. */
  get connected(): boolean {
    return this.#opening !== undefined || this.#connection?.alive === true;
  }

  /** True where nobody would miss its socket. */
  get spare(): boolean {
    return this.running === 0 && this.#opening === undefined && this.#selections !== 'made';
  }

  /** Rejects as the job does, and with a ToolError where its socket or its selections are lost. */
  async use<Value>(call: SessionCall, job: (app: QixApp) => Promise<Value>): Promise<Value> {
    if (this.running >= this.#deps.limits.callsPerSession) {
      throw new ToolError(`${this.running} calls run on this app already: wait for one of them.`);
    }
    this.running += 1;
    try {
      return await (call.purpose === 'read' ? this.#twice(call, job) : this.#inTurn(() => this.#twice(call, job)));
    } finally {
      this.running -= 1;
      this.lastUsed = this.#deps.clock.monotonic();
    }
  }

  /** What changes something waits for what changed something before it. */
  #inTurn<Value>(change: () => Promise<Value>): Promise<Value> {
    const changed = this.#changes.then(change);
    this.#changes = changed.catch(() => undefined);
    return changed;
  }

  async #twice<Value>(call: SessionCall, job: (app: QixApp) => Promise<Value>): Promise<Value> {
    try {
      return await this.#once(call, job);
    } catch (error) {
      if (!(error instanceof EngineLost)) throw error;
      if (this.#selections === 'made') throw this.#selectionsLost(error.code);
      // What was about to select has not begun to: it would have said so.
      if (call.purpose === 'write' || !error.worthReopening) throw broken(error, call.purpose);
    }
    return this.#once(call, job).catch((error: unknown) => {
      throw error instanceof EngineLost ? broken(error, call.purpose) : error;
    });
  }

  async #once<Value>(call: SessionCall, job: (app: QixApp) => Promise<Value>): Promise<Value> {
    // Nobody waits for it any more: no socket is opened for that.
    call.signal.throwIfAborted();
    this.#checkSelections(call.purpose);
    const connection = await unlessAborted(this.#connected(call), call.signal);
    const { signal, span } = call;
    // From there on it may be there: a call that breaks off can't say what it has selected.
    const selecting = () => {
      this.#selections = 'made';
    };
    const value = await job({ id: this.of.appId, doc: connection.doc(signal, span), signal, selecting });
    if (call.purpose === 'clear') this.#selections = 'none';
    return value;
  }

  /** Until it is selected anew or cleared: another answer than the caller expects is worse than none. */
  #checkSelections(purpose: Purpose): void {
    if (this.#selections === 'made' && !this.#connection?.alive) {
      throw this.#selectionsLost(this.#connection?.closeCode ?? 0);
    }
    if (this.#selections === 'lost' && (purpose === 'read' || purpose === 'write')) throw new ToolError(LOST);
  }

  #selectionsLost(code: number): ToolError {
    this.#selections = 'lost';
    return new ToolError(code === 0 ? LOST : `${LOST} Reason: ${closing(code)}.`);
  }

  get #isOver(): boolean {
    return this.#shownUntil <= this.#deps.clock.now();
  }

  /** Another socket is worth its while: what is shown there is fresher, and nobody misses this one. */
  #isOutworn(credential: Credential | undefined): boolean {
    if (this.running > 1 || this.#selections === 'made') return false;
    return this.#isStale || (this.#isOver && credential !== undefined && credential.token.expiresAt > this.#shownUntil);
  }

  #connected(shown: Shown): Promise<EngineConnection> {
    if (this.#connection?.alive && !this.#isOutworn(shown.credential)) return Promise.resolve(this.#connection);
    if (this.#opening) return this.#opening;
    this.#opening = this.#open(shown).finally(() => {
      this.#opening = undefined;
    });
    // Those who wait may all have left by then.
    this.#opening.catch(() => undefined);
    return this.#opening;
  }

  async #open(shown: Shown): Promise<EngineConnection> {
    await this.release();
    if (this.#ended) throw closedMeanwhile();
    await this.#deps.room(this);
    this.#isStale = false;
    const connection = await this.#deps.connect(this.of, shown);
    this.#shownUntil = shown.credential?.token.expiresAt ?? Number.POSITIVE_INFINITY;
    if (this.#ended) {
      await connection.close(this.#deps.clock);
      throw closedMeanwhile();
    }
    this.#connection = connection;
    connection.closed.then((code) => {
      if (this.#connection === connection && !this.#ended) this.#deps.lost(this.of, code);
    });
    return connection;
  }

  /** To be called now and then. A socket whose token is over is let go of as soon as nobody would miss it. */
  async tend(): Promise<void> {
    if (this.spare && this.#isOver) return this.release();
    this.#connection?.ping();
  }

  /** The app has new data: an engine shows what it had when it was opened. Selections are not given up for that. */
  async renew(): Promise<void> {
    this.#isStale = true;
    if (this.spare) await this.release();
  }

  /** Lets go of its socket; the next call opens another. */
  async release(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close(this.#deps.clock);
  }

  /** For good. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.release();
  }
}

const LOST =
  "The engine's session ended and its selections with it. Select anew with qlik_select_values, or go on without with qlik_clear_selections.";

function closedMeanwhile(): ToolError {
  return new ToolError('The app was closed meanwhile: open it again.');
}

function broken({ code }: EngineLost, purpose: Purpose): ToolError {
  const then =
    purpose === 'write'
      ? 'It may have been done: look before you repeat it.'
      : 'Repeat the call, unless the reason speaks against it.';
  return new ToolError(`The engine's session ended in mid-call: ${closing(code)}. ${then}`);
}
