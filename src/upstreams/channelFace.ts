import { randomBytes } from 'node:crypto';
import type { Attempt, Exchange, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { isUnclaimed } from '../wire/envelope.js';
import { callerLeft } from '../wire/explain.js';
import type { Carrying, ChannelHandlers } from './channel.js';
import { type ChannelFaceOptions, FACE_LIMITS, type FaceLimits } from './channelFaceLimits.js';
import { isReply, type Line } from './channelFaceLine.js';
import { readAll } from './channelFaceMessage.js';
import { postModern } from './channelFaceModern.js';
import { Session } from './channelFaceSession.js';
import type { SharedChannel } from './channelFaceShared.js';
import { SharedChannels } from './channelFaceSharedChannels.js';

const MODERN = '2026-07-28';
const ID_BYTES = 24;
const RETRY_AFTER_S = 5;

/** Answers exchanges as a Streamable HTTP server would, sessions and streams included, from the messages of channels. */
export class ChannelFace {
  readonly #options: ChannelFaceOptions;
  readonly #limits: FaceLimits;
  /** By id. */
  readonly #sessions = new Map<string, Session>();
  /** Sessions that have no id yet. */
  readonly #beginning = new Set<Session>();
  readonly #shared: SharedChannels;
  #closed = false;

  constructor(options: ChannelFaceOptions) {
    this.#options = options;
    this.#limits = { ...FACE_LIMITS, ...options.limits };
    this.#shared = new SharedChannels(this.#limits.idleMs, (carrying, handlers) => {
      this.#makeRoom();
      return this.#options.open(carrying, handlers);
    });
  }

  /** How many channels are open, or being opened. */
  get channels(): number {
    return this.#shared.size + (this.#options.shared ? 0 : this.#sessions.size + this.#beginning.size);
  }

  /** Rejects with a GatewayError. */
  async send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    if (this.#closed) throw new GatewayError('DRAINING', `${this.#options.name} is being stopped`, { neverSent: true });
    const { call } = exchange;
    const carrying = { exchange, attempt };
    if (call?.era === 'modern' || isUnclaimed(exchange)) return this.#modern(carrying);
    if (call?.method === 'initialize' && call.kind === 'request') return this.#begin(carrying);
    const session = this.#session(exchange);
    if (call?.kind === 'stream') return session.listen(exchange);
    if (call?.kind !== 'end') return session.post(carrying);
    void session.end();
    return { status: 200, headers: ['content-length', '0'], body: null, origin: 'upstream' };
  }

  /** Ends all sessions; resolves once every channel is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = new GatewayError('DRAINING', `${this.#options.name} is being stopped`);
    const sessions = [...this.#sessions.values(), ...this.#beginning];
    await Promise.all([...sessions.map((session) => session.end(reason)), this.#shared.close(reason)]);
  }

  async #modern(carrying: Carrying): Promise<Reply> {
    const owner = this.#options.shared ? 'everybody' : ownerOf(carrying.exchange);
    const key = `${MODERN} ${owner}`;
    const opened = await this.#shared.of(key, carrying);
    if (isReply(opened)) return opened;
    if (carrying.exchange.gone) throw callerLeft();
    const reply = await postModern(opened, carrying, this.#limits);
    // A server that knows nothing of this revision was opened in vain.
    if (reply.status === 404 && carrying.exchange.call?.method === 'server/discover') this.#shared.dropIdle(key);
    return reply;
  }

  /** @throws GatewayError INVALID_REQUEST without an id, SESSION_LOST for one that isn't this caller's; both alike for whoever guesses */
  #session(exchange: Exchange): Session {
    const id = exchange.request.header('mcp-session-id');
    if (id === undefined) throw withoutSession(exchange);
    const session = this.#sessions.get(id);
    if (session && session.owner === ownerOf(exchange)) return session;
    throw new GatewayError('SESSION_LOST', `${this.#options.name} has no such session`);
  }

  async #begin(carrying: Carrying): Promise<Reply> {
    this.#makeRoom();
    const id = randomBytes(ID_BYTES).toString('base64url');
    const session = new Session(id, ownerOf(carrying.exchange), this.#limits, (gone) => {
      this.#sessions.delete(gone.id);
      this.#beginning.delete(gone);
    });
    this.#beginning.add(session);
    try {
      const line = await this.#line(session, carrying);
      if (isReply(line)) return line;
      if (this.#closed || carrying.exchange.gone) {
        await line.close();
        throw callerLeft();
      }
      // Before the answer is out, so that nobody who has it is told that there is no such session.
      this.#sessions.set(id, session);
      this.#beginning.delete(session);
      return await session.begin(line, carrying);
    } finally {
      this.#beginning.delete(session);
    }
  }

  async #line(session: Session, carrying: Carrying): Promise<Line | Reply> {
    if (!this.#options.shared) return this.#options.open(carrying, handlersOf(session));
    const opened: SharedChannel | Reply = await this.#shared.of('legacy', carrying);
    return isReply(opened) ? opened : opened.join(session);
  }

  /** @throws GatewayError OVERLOADED where all that could be closed is in use */
  #makeRoom(): void {
    const { channels, sessions } = this.#limits;
    if (this.#sessions.size + this.#beginning.size >= sessions && !this.#evict()) throw this.#full();
    if (this.channels >= channels && !(this.#options.shared ? false : this.#evict()) && !this.#shared.evict()) {
      throw this.#full();
    }
  }

  /** Ends the session that lies unused for longest. */
  #evict(): boolean {
    let oldest: Session | undefined;
    for (const session of this.#sessions.values()) {
      if (session.idle && (!oldest || session.usedAt < oldest.usedAt)) oldest = session;
    }
    void oldest?.end();
    return oldest !== undefined;
  }

  #full(): GatewayError {
    return new GatewayError('OVERLOADED', `${this.#options.name} has as many sessions as it may have`, {
      retryAfter: RETRY_AFTER_S,
      neverSent: true,
      hint: 'Retry after the given seconds, or raise maxChildren of the destination.',
    });
  }
}

function ownerOf({ principal }: Exchange): string {
  return scopeKey(principal ?? null);
}

function handlersOf(session: Session): ChannelHandlers {
  return {
    message(text) {
      const all = readAll(text);
      for (const said of all ?? []) session.said(said);
      return all !== undefined;
    },
    closed: (reason) => session.closed(reason),
  };
}

/** Whoever speaks 2026-07-28 knows neither GET nor DELETE; everybody else forgot the session. */
function withoutSession({ call, request }: Exchange): GatewayError {
  const isModern = (request.header('mcp-protocol-version') ?? '') >= MODERN;
  if (isModern && (call?.kind === 'stream' || call?.kind === 'end')) {
    return new GatewayError('METHOD_NOT_ALLOWED', `${MODERN} knows POST only`, { headers: ['allow', 'POST'] });
  }
  return new GatewayError('INVALID_REQUEST', 'Mcp-Session-Id is missing', {
    hint: 'Send initialize first, and the Mcp-Session-Id of its answer with everything else.',
  });
}
