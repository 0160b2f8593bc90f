import type { Clock, HeaderLines } from '../../contracts.js';
import { GatewayError } from '../../core/errors.js';
import { type CallRoad, EngineObject, type EnigmaApi } from './engineCalls.js';
import { EngineLost } from './engineErrors.js';
import type { EngineLimits } from './engineOptions.js';
import type { EngineSocket } from './engineSocket.js';
import type { QixObject } from './engineTypes.js';
import type { Span } from './spans.js';

/** How long the other side may take to say goodbye. Milliseconds. */
const GOODBYE_MS = 500;

/** What of an enigma session is used. */
export interface EnigmaSession {
  open(): Promise<unknown>;
  close(code?: number, reason?: string): Promise<unknown>;
  on(event: string, heard: (said: { readonly qSessionState?: string }) => void): void;
}

/** A socket and the enigma session on it, neither of them open yet. */
export interface Wired {
  readonly socket: EngineSocket;
  readonly session: EnigmaSession;
}

/** What is opened, and how. */
export interface Opening {
  readonly appId: string;
  /** What the app was saved with stays selected. */
  readonly keepSavedSelection: boolean;
  readonly headers: HeaderLines;
  readonly wire: (appId: string, headers: HeaderLines) => Promise<Wired>;
  readonly limits: EngineLimits;
  readonly clock: Clock;
  readonly origin: string;
}

/** One socket on which one app is open, for one session. */
export class EngineConnection implements CallRoad {
  closeCode: number | undefined;
  readonly closed: Promise<number>;
  readonly #socket: EngineSocket;
  readonly #session: EnigmaSession;
  readonly #global: EnigmaApi;
  readonly #appId: string;
  #doc: EngineObject | undefined;

  private constructor({ socket, session }: Wired, global: EnigmaApi, appId: string) {
    this.#socket = socket;
    this.#session = session;
    this.#global = global;
    this.#appId = appId;
    this.closed = socket.closed.then((code) => {
      this.closeCode = code;
      return code;
    });
  }

  /**
   * Opens a socket and the app on it, with nothing selected. Rejects with an EngineLost where the engine closes the socket
   * meanwhile, with a CredentialRefused, with a ToolError for what it refuses, with a GatewayError where none is to be reached.
   */
  static async open(opening: Opening): Promise<EngineConnection> {
    const wired = await opening.wire(opening.appId, opening.headers);
    try {
      return await openOn(wired, opening, (global) => new EngineConnection(wired, global, opening.appId));
    } catch (error) {
      wired.socket.end();
      if (wired.socket.failure) throw wired.socket.failure;
      throw error;
    }
  }

  get alive(): boolean {
    return this.#doc !== undefined && this.#socket.alive;
  }

  async openApp(keepSavedSelection: boolean): Promise<this> {
    const doc = await new EngineObject(this.#global, this).open('openDoc', this.#appId);
    // An app opens on the selection that it was saved with.
    if (!keepSavedSelection) await doc.ask('clearAll', true);
    this.#doc = doc;
    return this;
  }

  /** The document in the hands of one call, which the signal ends. */
  doc(signal: AbortSignal, span?: Span): QixObject {
    if (!this.#doc) throw new EngineLost(this.closeCode ?? 0);
    return this.#doc.during(signal, span);
  }

  ping(): void {
    this.#socket.ping();
  }

  cancel(requestId: number): void {
    if (!this.#socket.alive) return;
    (this.#global.cancelRequest as EnigmaApi[string])(requestId).catch(() => undefined);
  }

  /** Never rejects, and takes half a second at most. */
  async close(clock: Clock): Promise<void> {
    if (this.#socket.alive) this.#session.close(1000, '').catch(() => undefined);
    await within(this.closed, GOODBYE_MS, clock, () => new Error('no goodbye')).catch(() => undefined);
    this.#socket.end();
  }
}

async function openOn(
  wired: Wired,
  { clock, limits, origin, appId, keepSavedSelection }: Opening,
  connect: (global: EnigmaApi) => EngineConnection,
): Promise<EngineConnection> {
  // A name that nobody else can know was attached to: that session is somebody's.
  wired.session.on('notification:OnConnected', ({ qSessionState }) => {
    if (qSessionState === 'SESSION_ATTACHED') wired.socket.end();
  });
  const late = (what: string) => () => new GatewayError('UPSTREAM_TIMEOUT', `the engine of ${origin} ${what} in time`);
  const global = await within(opened(wired), limits.handshakeMs, clock, late('took no socket'));
  const opening = connect(global).openApp(keepSavedSelection);
  return within(opening, limits.openMs, clock, late(`did not open the app ${appId}`));
}

/** enigma's global object, or why there is none: the socket knows that better than enigma. */
async function opened({ session, socket }: Wired): Promise<EnigmaApi> {
  const lost = socket.closed.then((code) => {
    throw socket.failure ?? new EngineLost(code);
  });
  return (await Promise.race([session.open().catch(() => lost), lost])) as EnigmaApi;
}

/** Settles as `work` does, or rejects when it takes too long. */
export async function within<Value>(work: Promise<Value>, ms: number, clock: Clock, late: () => Error): Promise<Value> {
  const over = new AbortController();
  const expired = clock.sleep(ms, over.signal).then(() => {
    throw late();
  });
  return Promise.race([work, expired]).finally(() => over.abort());
}
