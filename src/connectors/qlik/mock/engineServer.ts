import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { AppDoc } from './appDoc.js';
import type { Caller } from './ask.js';
import { bearerOf, callerOf } from './callerOf.js';
import { EngineSession } from './engineSession.js';
import { EngineSocket } from './engineSocket.js';
import { entryOf } from './entryOf.js';
import { unauthorized } from './refusal.js';
import { reaches } from './scopes.js';
import type { Tenant } from './tenant.js';

const MAX_FRAME_BYTES = 4 * 1_048_576;

interface Wanted {
  readonly path: string;
  readonly appId: string;
  readonly identity: string;
  /** Milliseconds that a session outlives its last socket. */
  readonly ttlMs: number;
}

/** The engine's sockets at `/app/<appId>[/identity/<id>][/ttl/<s>]`: who may open one, and which session it joins. */
export class EngineServer {
  readonly sockets = new Set<EngineSocket>();
  readonly #tenant: Tenant;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  readonly #sessions = new Map<string, EngineSession>();
  readonly #docs = new Map<string, AppDoc>();
  #opened = 0;

  constructor(tenant: Tenant, http: Server) {
    this.#tenant = tenant;
    tenant.closeSockets = (code, reason) => {
      for (const socket of this.sockets) socket.close(code, reason);
    };
    http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get sessions(): number {
    this.#expire();
    return this.#sessions.size;
  }

  /** What an app holds for everybody: its tables, its objects, its script. */
  doc(appId: string): AppDoc | undefined {
    const app = this.#tenant.apps.get(appId);
    if (!app || !this.#tenant.row('apps', appId)) return undefined;
    return entryOf(this.#docs, appId, () => new AppDoc(app));
  }

  async close(): Promise<void> {
    // Those that were refused among them.
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const wanted = wantedOf(request.url ?? '');
    const caller = callerOf(this.#tenant, request.headers);
    const allowed = caller && reaches(caller.scopes, 'apps', true) && this.#provesItself(caller, request);
    if (!wanted || !caller || !allowed) {
      const status = caller && !wanted ? 404 : 401;
      this.#note(request, caller, status);
      refuse(socket, status);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (open) => this.#open(open, request, wanted, caller));
  }

  /** A browser that comes with a cookie shows its token against forged requests in the query. */
  #provesItself({ csrf }: Caller, { url }: IncomingMessage): boolean {
    return csrf === undefined || new URL(url ?? '', 'http://mock').searchParams.get('qlik-csrf-token') === csrf;
  }

  #open(socket: WebSocket, request: IncomingMessage, wanted: Wanted, caller: Caller): void {
    const number = this.#note(request, caller, 101);
    const refused = this.#reasonAgainst(wanted, caller);
    if (refused !== undefined) {
      socket.on('error', () => {});
      socket.close(refused, 'refused');
      return;
    }
    const doc = this.doc(wanted.appId);
    if (!doc) return;
    const { session, created } = this.#session(wanted, caller, doc);
    const row = this.#tenant.row('apps', wanted.appId);
    const editable = row !== undefined && this.#tenant.edits(caller, row);
    const opened = new EngineSocket(this.#tenant, socket, { number, path: wanted.path, caller, session, editable });
    this.sockets.add(opened);
    session.sockets.add(opened);
    socket.once('close', () => this.#closed(opened, session, wanted.ttlMs));
    opened.start(created ? 'SESSION_CREATED' : 'SESSION_ATTACHED');
  }

  #closed(socket: EngineSocket, session: EngineSession, ttlMs: number): void {
    this.sockets.delete(socket);
    session.sockets.delete(socket);
    if (session.sockets.size === 0) session.endsAt = this.#tenant.clock.now() + ttlMs;
    this.#expire();
  }

  #expire(): void {
    const now = this.#tenant.clock.now();
    for (const [key, session] of this.#sessions)
      if (session.sockets.size === 0 && session.endsAt <= now) {
        this.#sessions.delete(key);
        session.doc.sessions.delete(session);
      }
  }

  /** Qlik opens the socket first, and says by the code of its closing why it won't serve. */
  #reasonAgainst({ appId, identity }: Wanted, caller: Caller): number | undefined {
    const fault = this.#tenant.faults.openings.take(() => true);
    if (fault !== undefined) return fault;
    const row = this.#tenant.row('apps', appId);
    if (!row || !this.doc(appId)) return 4204;
    if (!this.#tenant.sees(caller, row)) return 4203;
    this.#expire();
    const mine = [...this.#sessions.values()].filter((session) => session.userId === caller.userId);
    const joins = this.#sessions.has(keyOf(caller, appId, identity));
    return !joins && mine.length >= (this.#tenant.options.engineSessions ?? 5) ? 4005 : undefined;
  }

  #session(
    wanted: Wanted,
    caller: Caller,
    doc: AppDoc,
  ): { readonly session: EngineSession; readonly created: boolean } {
    const key = keyOf(caller, wanted.appId, wanted.identity);
    const known = this.#sessions.get(key);
    if (known) return { session: known, created: false };
    const session = new EngineSession(doc, caller.userId, randomUUID());
    this.#sessions.set(key, session);
    return { session, created: true };
  }

  #note({ url = '', headers }: IncomingMessage, caller: Caller | undefined, status: number): number {
    const [path = '', query = ''] = url.split(/\?(.*)/s);
    const bearer = bearerOf(headers);
    const number = ++this.#opened;
    const entry = { kind: 'socket', who: caller?.subject, method: 'GET', path, query, status, socket: number } as const;
    this.#tenant.ledger.add(bearer === undefined ? entry : { ...entry, bearer });
    return number;
  }
}

function keyOf({ userId }: Caller, appId: string, identity: string): string {
  return JSON.stringify([userId, appId, identity]);
}

function wantedOf(url: string): Wanted | undefined {
  const path = url.split('?')[0] ?? '';
  const parts = /^\/app\/([^/]+)(?:\/identity\/([^/]+))?(?:\/ttl\/(\d{1,5}))?\/?$/.exec(path);
  if (!parts) return undefined;
  try {
    const [appId = '', identity = ''] = parts.slice(1, 3).map((part) => decodeURIComponent(part ?? ''));
    return { path, appId, identity, ttlMs: Number(parts[3] ?? 0) * 1000 };
  } catch {
    return undefined;
  }
}

function refuse(socket: Duplex, status: number): void {
  const body = JSON.stringify(unauthorized().body(randomUUID()));
  const reason = status === 401 ? 'Unauthorized' : 'Not Found';
  const lines = ['content-type: application/json', `content-length: ${body.length}`, 'connection: close'];
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
