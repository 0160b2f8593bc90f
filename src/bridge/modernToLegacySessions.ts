import type { Reply, Upstream } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { GatewayError } from '../core/errors.js';
import { headerValue } from '../wire/headers.js';
import type { BridgeDeps } from './deps.js';
import { answerTo, type Refusal, readRefusal } from './modernToLegacyAnswers.js';
import { writeJson } from './modernToLegacyJson.js';
import { ownerOf, sessionKey } from './modernToLegacyKey.js';
import type { Limits } from './modernToLegacyLimits.js';
import { type Client, legacyCapabilities, OFFERED, serverOf } from './modernToLegacyMessages.js';
import { LegacySession, type Way } from './modernToLegacySession.js';
import { Timer } from './modernToLegacyTimer.js';

/** So long a stop waits for servers to be told. Milliseconds. */
const FAREWELL_MS = 1_000;

/** The sessions that are held for modern callers, who have none: one for each caller, and what it says of itself. */
export class LegacySessions {
  readonly #upstream: Upstream;
  readonly #deps: BridgeDeps;
  readonly #limits: Limits;
  /** In the order of their last use. */
  readonly #held = new Map<string, { readonly session: LegacySession; readonly timer: Timer }>();
  readonly #opening = new SingleFlight<LegacySession | Refusal>();
  #openingNow = 0;

  constructor(upstream: Upstream, deps: BridgeDeps, limits: Limits) {
    this.#upstream = upstream;
    this.#deps = deps;
    this.#limits = limits;
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * The session of that caller; a new one where there is none. With a refusal where the server wouldn't begin one.
   * @throws GatewayError OVERLOADED where there are too many, or why the server can't be reached
   */
  async get(way: Way, client: Client): Promise<LegacySession | Refusal> {
    const key = sessionKey(way, client, this.#upstream);
    const held = this.#held.get(key);
    if (held?.session.over) this.#replace(held.session);
    if (!held || held.session.over) return this.#opening.run(key, () => this.#open(key, way, client));
    this.#held.delete(key);
    this.#held.set(key, held);
    held.session.way = way;
    this.#mind(held.session);
    return held.session;
  }

  /** The server forgot it: whoever needs one again gets a new one. */
  lose(session: LegacySession): void {
    if (!session.over) session.lose(true);
  }

  async close(): Promise<void> {
    const sessions = [...this.#held.values()].map(({ session }) => session);
    for (const session of sessions) this.#forget(session);
    const waiting = new AbortController();
    const ended = Promise.all(sessions.map((session) => session.end()));
    await Promise.race([ended, this.#deps.clock.sleep(FAREWELL_MS, waiting.signal).catch(() => {})]);
    waiting.abort();
  }

  async #open(key: string, way: Way, client: Client): Promise<LegacySession | Refusal> {
    const owner = ownerOf(way, this.#upstream);
    this.#makeRoom(owner);
    this.#openingNow += 1;
    try {
      const session = new LegacySession({
        key,
        owner,
        upstream: this.#upstream,
        clock: this.#deps.clock,
        way,
        used: (used) => this.#mind(used),
      });
      const refusal = await initialize(session, client);
      if (refusal) return refusal;
      this.#held.set(key, { session, timer: new Timer(() => this.#expire(session)) });
      this.#mind(session);
      return session;
    } finally {
      this.#openingNow -= 1;
    }
  }

  /** A caller makes room among its own first: it can't drive others out. */
  #makeRoom(owner: string): void {
    const all = [...this.#held.values()].map(({ session }) => session);
    const own = all.filter((session) => session.owner === owner);
    const { sessions, sessionsPerOwner } = this.#limits;
    const candidates = own.length >= sessionsPerOwner ? own : all;
    if (own.length < sessionsPerOwner && all.length + this.#openingNow < sessions) return;
    const idle = candidates.find((session) => session.idle);
    if (!idle) {
      throw new GatewayError('OVERLOADED', 'too many sessions with this server are in use', { retryAfter: 5 });
    }
    this.#expire(idle);
  }

  #replace(session: LegacySession): void {
    this.#forget(session);
    this.#deps.signals.emit('bridge.session-lost', { destination: this.#upstream.name });
  }

  /** The clock runs while nothing does. */
  #mind(session: LegacySession): void {
    const held = this.#held.get(session.key);
    if (held?.session !== session) return;
    if (session.idle) held.timer.start(this.#limits.idleMs);
    else held.timer.stop();
  }

  #expire(session: LegacySession): void {
    this.#forget(session);
    session.end().catch(() => {});
  }

  #forget(session: LegacySession): void {
    const held = this.#held.get(session.key);
    if (held?.session !== session) return;
    held.timer.stop();
    this.#held.delete(session.key);
  }
}

/** The handshake of the older revisions (2025-11-25, Lifecycle). What keeps it from the server's hands was never sent. */
async function initialize(session: LegacySession, client: Client): Promise<Refusal | undefined> {
  const id = session.nextId();
  const params = {
    protocolVersion: OFFERED,
    capabilities: legacyCapabilities(client.capabilities),
    clientInfo: client.info,
  };
  const reply = await unsent(session.post({ jsonrpc: '2.0', id, method: 'initialize', params }));
  if (reply.status !== 200) return readRefusal(reply);
  const answer = await unsent(answerTo(reply, id, () => {}));
  if (answer?.error) return refused(reply, answer);
  session.server = serverOf(answer?.result);
  session.id = headerValue(reply.headers, 'mcp-session-id');
  await letGoOf(session.post({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  // Each level has its own session, so that it holds for no other call.
  if (client.logLevel !== undefined && session.server.capabilities.logging !== undefined) {
    await session.ask('logging/setLevel', { level: client.logLevel }).catch(() => {});
  }
  return undefined;
}

function refused(reply: Reply, answer: object): Refusal {
  return { status: reply.status, headers: ['content-type', 'application/json'], text: writeJson(answer) };
}

/** The call for which a session is begun can't have been seen where that failed. */
async function unsent<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.neverSent) throw error;
    const { code, message, hint, cause } = error;
    throw new GatewayError(code, message, { hint, cause, neverSent: true });
  }
}

async function letGoOf(sent: Promise<Reply>): Promise<void> {
  await sent.then(async (reply) => void (await readRefusal(reply)));
}
