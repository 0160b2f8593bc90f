import type { Attempt, Exchange, McpCall, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { memberOf } from '../wire/jsonText.js';
import { acceptedReply, allMessages, jsonReply } from '../wire/messages.js';
import { valueAt } from '../wire/paramAnnotations.js';
import { type BridgeDeps, isBridgeSession } from './deps.js';
import { PARKING, Parking, type ParkingLimits } from './legacyToModernAsking.js';
import { answerBatch } from './legacyToModernBatch.js';
import { BridgedCall, type CallDeps } from './legacyToModernCall.js';
import { initialize, LEGACY } from './legacyToModernInitialize.js';
import { ListeningStream } from './legacyToModernListen.js';
import { Errand, ModernSender } from './legacyToModernSend.js';
import { BridgeSessions, ownerOf, type Session } from './legacyToModernSession.js';
import { CODES, errorOf, RpcError, response } from './legacyToModernWords.js';

/** What one exchange is answered with: where it goes, and in which session. */
interface Place {
  readonly exchange: Exchange;
  readonly attempt: Attempt;
  readonly session: Session;
}

const EMPTY = '{}';

/** Levels of RFC 5424, as `logging/setLevel` has them. */
const LEVELS = new Set(['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']);

/** What clients of old tell and no server of 2026-07-28 has an ear for. */
const UNHEARD = new Set([
  'notifications/initialized',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/tasks/status',
]);

/**
 * A server of 2026-07-28 as clients of the revisions up to 2025-11-25 expect one: with sessions, requests of its own and a
 * stream by GET. A session's id says what must be known of it, sealed for its caller, so any process with the same key
 * serves it; its log level, its subscriptions and calls that wait for their client are this process's own.
 */
export class LegacyToModern {
  readonly #deps: BridgeDeps;
  readonly #sessions: BridgeSessions;
  readonly #calls: CallDeps;

  constructor(upstream: Upstream, deps: BridgeDeps, parking: ParkingLimits = PARKING) {
    this.#deps = deps;
    this.#sessions = new BridgeSessions(deps.seal);
    const { clock } = deps;
    this.#calls = { clock, sender: new ModernSender(upstream, deps), parking: new Parking(clock, parking) };
  }

  /** True for a session id of a bridge; whose it is shows when it is used. */
  owns(sessionId: string): boolean {
    return isBridgeSession(sessionId);
  }

  /**
   * Answers an exchange of the legacy era. Rejects as the upstream does, with INVALID_REQUEST for what names no session,
   * and with SESSION_LOST for one that isn't the caller's.
   */
  async send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const call = exchange.call as McpCall;
    assertRevision(exchange);
    if (call.method === 'initialize' && call.kind === 'request') return this.#initialize(exchange, attempt, call);
    const session = this.#sessions.find(exchange, ownerOf(exchange, attempt.route.destination));
    return this.#serve(call, { exchange, attempt, session });
  }

  async close(): Promise<void> {
    this.#sessions.close();
  }

  #serve(call: McpCall, place: Place): Reply | Promise<Reply> {
    switch (call.kind) {
      case 'stream':
        return this.#listen(place);
      case 'end':
        this.#sessions.end(place.session);
        return { status: 204, headers: [], body: null, origin: 'upstream' };
      case 'batch':
        return answerBatch(place.exchange, this.#deps.clock, (part) => {
          return this.#serve(part.call as McpCall, { ...place, exchange: part });
        });
      case 'response':
        this.#calls.parking.answer(place.session, call.id, textOf(call));
        return acceptedReply();
      case 'notification':
        return this.#notification(call, place);
      default:
        return this.#request(call, place);
    }
  }

  async #initialize(exchange: Exchange, attempt: Attempt, call: McpCall): Promise<Reply> {
    const text = textOf(call);
    const params = valueAt(JSON.parse(text), ['params']);
    const errand = errandOf(exchange, attempt);
    const asked = {
      id: memberOf(text, 'id') as string,
      params: isObject(params) ? params : {},
      owner: ownerOf(exchange, attempt.route.destination),
    };
    try {
      return await initialize(asked, this.#calls.sender, this.#sessions, errand);
    } finally {
      exchange.held = undefined;
    }
  }

  /** The stream of what belongs to no call, or behind `Last-Event-ID` that of the call which broke off. */
  #listen({ exchange, attempt, session }: Place): Promise<Reply> {
    const last = exchange.request.header('last-event-id');
    const resumed = last === undefined ? undefined : session.replay.resume(last);
    if (resumed) return Promise.resolve(resumed);
    const { server } = session.state;
    if (!server.some((tells) => tells !== 'logging')) {
      throw new GatewayError('METHOD_NOT_ALLOWED', 'the server tells of no changes, so there is no stream by GET');
    }
    return new ListeningStream(this.#deps.clock, this.#calls.sender, { session, exchange, attempt }).open();
  }

  async #notification(call: McpCall, { exchange, attempt, session }: Place): Promise<Reply> {
    const method = call.method as string;
    const text = textOf(call);
    if (method === 'notifications/cancelled') {
      const params = memberOf(text, 'params');
      const id = params === undefined ? undefined : memberOf(params, 'requestId');
      if (id !== undefined) session.calls.get(id)?.cancel();
    }
    if (method === 'notifications/cancelled' || UNHEARD.has(method)) return acceptedReply();
    const outgoing = { method, params: memberOf(text, 'params'), envelope: session.envelope };
    const reply = await this.#calls.sender.notify(outgoing, errandOf(exchange, attempt));
    if (reply.status !== 400 && reply.status !== 404) return reply;
    // No server is asked to know it.
    await allMessages(reply);
    return acceptedReply();
  }

  #request(call: McpCall, place: Place): Reply | Promise<Reply> {
    const text = textOf(call);
    const request = {
      id: memberOf(text, 'id') as string,
      method: call.method as string,
      params: memberOf(text, 'params'),
      name: call.name,
    };
    try {
      const own = this.#own(request.method, JSON.parse(request.params ?? EMPTY), place.session);
      if (own === undefined)
        return new BridgedCall(this.#calls, place.session, request, new Errand(place.exchange, place.attempt)).open();
      const reply = jsonReply(response(request.id, 'result', EMPTY));
      return own instanceof Promise ? own.then(() => reply) : reply;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return jsonReply(response(request.id, 'error', errorOf(error, place.exchange)));
    }
  }

  /** What a session is asked rather than its server. Undefined for everything else; true, or a promise, where it was done. */
  #own(method: string, params: unknown, session: Session): Promise<void> | true | undefined {
    switch (method) {
      case 'ping':
        return true;
      case 'initialize':
        throw new RpcError(CODES.invalidParams, 'initialize stands alone');
      case 'logging/setLevel':
        session.logLevel = oneOf(LEVELS, valueAt(params, ['level']));
        return true;
      case 'resources/subscribe':
        assertSubscribable(session);
        if (!session.subscribe(uriIn(params))) throw new RpcError(CODES.internal, 'too many subscriptions');
        return session.listening?.changed() ?? true;
      case 'resources/unsubscribe':
        assertSubscribable(session);
        return session.unsubscribe(uriIn(params)) ? (session.listening?.changed() ?? true) : true;
      default:
        if (!isObject(params)) throw new RpcError(CODES.invalidParams, 'params is not an object');
        // Tasks of old were never advertised, and those of the extension are another thing by the same name.
        if (!method.startsWith('tasks/') || isObject(session.state.capabilities.extensions)) return undefined;
        throw new RpcError(CODES.methodNotFound, 'this server has no tasks');
    }
  }
}

/** One that ends with its exchange. */
function errandOf(exchange: Exchange, attempt: Attempt): Errand {
  const errand = new Errand(exchange, attempt);
  exchange.held = { cancel: () => errand.end() };
  if (exchange.gone) errand.end();
  return errand;
}

function textOf(call: McpCall): string {
  return (call.body as Buffer).toString();
}

function oneOf(known: ReadonlySet<string>, value: unknown): string {
  if (typeof value === 'string' && known.has(value)) return value;
  throw new RpcError(CODES.invalidParams, `level is none of ${[...known].join(', ')}`);
}

function assertSubscribable({ state }: Session): void {
  if (!state.server.includes('subscribe')) throw new RpcError(CODES.methodNotFound, 'this server has no subscriptions');
}

/** No honest one is longer. Bytes. */
const LONGEST_URI = 8 * 1024;

function uriIn(params: unknown): string {
  const uri = valueAt(params, ['uri']);
  if (typeof uri === 'string' && uri.length <= LONGEST_URI) return uri;
  throw new RpcError(CODES.invalidParams, 'uri is missing, or too long');
}

/** 2025-06-18 and later: a revision that isn't spoken is a 400. */
function assertRevision({ request }: Exchange): void {
  const said = request.header('mcp-protocol-version');
  if (said === undefined || (LEGACY as readonly string[]).includes(said)) return;
  throw new GatewayError('INVALID_REQUEST', `no session speaks revision ${said.slice(0, 50)}`);
}
