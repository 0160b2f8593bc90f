import { GatewayError } from '../../core/errors.js';
import { scopeKey } from '../../core/scopeKey.js';
import { ToolError } from '../../core/toolErrors.js';
import { EngineSession, type SessionDeps, type SessionOf } from './engineSession.js';
import { unguessable } from './engineWire.js';

/** Until an idle session is sure to have ended, or thereabouts. Seconds. */
const RETRY_SECONDS = 30;

/** All sessions of one tenant: at most so many, each with its owner, none for longer than it is used. */
export class EnginePool {
  readonly #deps: SessionDeps;
  /** By handle; those without selections by principal and app. */
  readonly #sessions = new Map<string, EngineSession>();
  readonly #over = new AbortController();
  #watching = false;

  constructor(deps: Omit<SessionDeps, 'room'>) {
    this.#deps = { ...deps, room: (session) => this.#makeRoom(session) };
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Throws the same for a handle that is somebody else's as for one that never was. */
  byHandle(principal: string, handle: string): EngineSession {
    const session = this.#sessions.get(handle);
    if (session?.of.handle === handle && session.of.principal === principal) return session;
    const minutes = Math.round(this.#deps.limits.idleMs / 60_000);
    throw new ToolError(
      `Unknown handle: the app was closed, or not used for ${minutes} minutes. Open it with qlik_open_app.`,
    );
  }

  /** The principal's session of that app without selections: one, whoever asks. */
  shared(principal: string, appId: string): EngineSession {
    const key = scopeKey(null, principal, appId);
    return this.#sessions.get(key) ?? this.#keep(key, { principal, appId, keepSavedSelection: false });
  }

  add(
    principal: string,
    appId: string,
    keepSavedSelection: boolean,
  ): EngineSession & { readonly of: { handle: string } } {
    const handle = unguessable();
    return this.#keep(handle, { principal, appId, handle, keepSavedSelection });
  }

  async remove(session: EngineSession): Promise<void> {
    for (const [key, kept] of this.#sessions) if (kept === session) this.#sessions.delete(key);
    await session.end();
  }

  /** Closes the sockets on which an app is open that has new data by now; an engine shows what it had when it was opened. */
  renew(appId: string): void {
    for (const session of this.#sessions.values()) if (session.of.appId === appId) void session.renew();
  }

  /** Closes a socket that nobody would miss, the principal's own first. False: there is none. */
  async releaseOne(principal: string): Promise<boolean> {
    const open = bySpareness([...this.#sessions.values()].filter((session) => session.connected && session.spare));
    const session = open.find((other) => other.of.principal === principal) ?? open[0];
    await session?.release();
    return session !== undefined;
  }

  /** Ends all sessions, those in use included. */
  async close(): Promise<void> {
    this.#over.abort();
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.end()));
  }

  #keep<Of extends SessionOf>(key: string, of: Of): EngineSession & { readonly of: Of } {
    this.#over.signal.throwIfAborted();
    this.#forgetOne(of.principal);
    const session = new EngineSession(of, this.#deps) as EngineSession & { readonly of: Of };
    this.#sessions.set(key, session);
    this.#watch();
    return session;
  }

  /** Handles are cheap, and yet there is a limit: the one that was not used for longest goes. */
  #forgetOne(principal: string): void {
    const { handles, handlesPerPrincipal } = this.#deps.limits;
    const own = this.#of(principal);
    if (own.length >= handlesPerPrincipal) {
      const [oldest] = bySpareness(own.filter((session) => session.running === 0));
      if (!oldest) throw tooManyApps(own.length);
      void this.remove(oldest);
    } else if (this.#sessions.size >= handles) {
      const [oldest] = bySpareness([...this.#sessions.values()]);
      if (!oldest?.spare) throw full();
      void this.remove(oldest);
    }
  }

  /** Closes a socket that nobody would miss, of the principal's own where those are too many. */
  async #makeRoom(newcomer: EngineSession): Promise<void> {
    const { sessions, sessionsPerPrincipal } = this.#deps.limits;
    const open = [...this.#sessions.values()].filter((session) => session.connected && session !== newcomer);
    const own = open.filter((session) => session.of.principal === newcomer.of.principal);
    const tooMany = own.length >= sessionsPerPrincipal ? own : open.length >= sessions ? open : [];
    const [first] = bySpareness(tooMany);
    if (!first) return;
    if (!first.spare) throw tooMany === own ? tooManyApps(own.length) : full();
    // The engine counts, too: it must have heard of the end before the beginning.
    await first.release();
  }

  #of(principal: string): EngineSession[] {
    return [...this.#sessions.values()].filter((session) => session.of.principal === principal);
  }

  /** Runs while there is something to look after. */
  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#watching = false;
      });
  }

  async #look(): Promise<void> {
    const { limits, clock } = this.#deps;
    const everyMs = Math.min(limits.pingMs, limits.idleMs);
    while (this.#sessions.size > 0) {
      await clock.sleep(everyMs, this.#over.signal);
      const expired = clock.monotonic() - limits.idleMs;
      for (const session of [...this.#sessions.values()]) {
        if (session.running === 0 && session.lastUsed <= expired) void this.remove(session);
        else void session.tend();
      }
    }
  }
}

/** Those first that nobody would miss, and of these the one that was not used for longest. */
function bySpareness(sessions: readonly EngineSession[]): EngineSession[] {
  return sessions.toSorted((a, b) => Number(b.spare) - Number(a.spare) || a.lastUsed - b.lastUsed);
}

function tooManyApps(count: number): ToolError {
  return new ToolError(
    `${count} apps are open with selections or in use: close one with qlik_close_app, then repeat the call.`,
  );
}

function full(): GatewayError {
  return new GatewayError('OVERLOADED', 'all engine sessions are in use', {
    retryAfter: RETRY_SECONDS,
    limit: 'sessions',
  });
}
