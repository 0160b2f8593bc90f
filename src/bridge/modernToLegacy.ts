import type { Attempt, Exchange, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { brokenRule } from '../wire/envelope.js';
import { callerLeft } from '../wire/explain.js';
import { acceptedReply, jsonReply } from '../wire/messages.js';
import type { BridgeDeps } from './deps.js';
import { letGo, refusalReply } from './modernToLegacyAnswers.js';
import { LegacyCall } from './modernToLegacyCall.js';
import { Face } from './modernToLegacyFace.js';
import { inputRequest, requiredUrls, undeclared } from './modernToLegacyInputs.js';
import { readJson, writeJson } from './modernToLegacyJson.js';
import { ownerOf } from './modernToLegacyKey.js';
import { LIMITS, type Limits } from './modernToLegacyLimits.js';
import { filterOf, Listening } from './modernToLegacyListening.js';
import {
  ASKING,
  type Client,
  capabilityMissing,
  clientOf,
  discovered,
  headerMismatch,
  internalError,
  invalidParams,
  type Json,
  legacyParams,
  type Message,
  type ModernError,
  modernError,
  notFound,
  REMOVED,
  type RpcError,
} from './modernToLegacyMessages.js';
import { type Kept, Parking, sameParams, stateKey } from './modernToLegacyParking.js';
import type { LegacySession, Way } from './modernToLegacySession.js';
import { LegacySessions } from './modernToLegacySessions.js';

/** Notifications that mean nothing to a server of the older revisions, or that HTTP says in another way. */
const UNTOLD = new Set([
  'notifications/cancelled',
  'notifications/initialized',
  'notifications/roots/list_changed',
  'notifications/progress',
]);

/**
 * A client of 2026-07-28 before a server that speaks only older revisions. The sessions that such a server wants are held
 * here, and what it asks of its client ends the client's request, which comes back with the answer.
 */
export class ModernToLegacy {
  readonly #limits: Limits;
  readonly #upstream: Upstream;
  readonly #deps: BridgeDeps;
  readonly #sessions: LegacySessions;
  readonly #parking: Parking;
  readonly #listening = new Set<Listening>();

  constructor(upstream: Upstream, deps: BridgeDeps, limits: Partial<Limits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
    this.#upstream = upstream;
    this.#deps = deps;
    this.#sessions = new LegacySessions(upstream, deps, this.#limits);
    this.#parking = new Parking(deps.seal, this.#limits, (call) => this.#expired(call));
  }

  /** Sessions with the server, and calls whose caller is thinking. */
  get held(): { readonly sessions: number; readonly parked: number } {
    return { sessions: this.#sessions.size, parked: this.#parking.size };
  }

  /** Rejects with a GatewayError, as any upstream does. */
  async send(exchange: Exchange, attempt: Attempt): Promise<Reply> {
    const { method = '', kind, body } = exchange.call ?? { kind: 'end', body: null };
    const message = readJson(body?.toString() ?? '{}') as Message;
    const params = isObject(message.params) ? message.params : {};
    const way = { exchange, attempt };
    const client = clientOf(params);
    if (kind === 'notification') return this.#tell(way, client, method, params);
    if (kind !== 'request') throw new GatewayError('INVALID_REQUEST', 'a modern client sends requests only');
    const bad = exchange.call ? brokenRule(exchange.call, params) : undefined;
    if (bad) return errorReply(bad, exchange);
    if (REMOVED.has(method)) return errorReply(notFound(method), exchange);
    if (method === 'server/discover') return this.#discover(way, client);
    const face = new Face(exchange, client, this.#limits.keepAliveMs);
    const work = method === 'subscriptions/listen' ? this.#listen(face, way, params) : this.#call(face, way, params);
    // What goes wrong once the answer has begun is said in it.
    work.catch((error: unknown) => face.fail(error));
    return face.reply;
  }

  /** Whoever listens is told in peace, whoever thinks is forgotten. */
  async close(): Promise<void> {
    for (const listening of [...this.#listening]) listening.end();
    this.#parking.close();
    await this.#sessions.close();
  }

  async #tell(way: Way, client: Client, method: string, params: Json): Promise<Reply> {
    if (UNTOLD.has(method)) return acceptedReply();
    const session = await this.#sessions.get(way, client);
    if (!('listen' in session)) return refusalReply(session, undefined);
    const reply = await session.post({ jsonrpc: '2.0', method, params: legacyParams(params, undefined) }, way);
    if (reply.status >= 300) return reply;
    letGo(reply);
    return acceptedReply();
  }

  async #discover(way: Way, client: Client): Promise<Reply> {
    const { id } = way.exchange.call ?? {};
    const session = await this.#sessions.get(way, client);
    if (!('listen' in session)) return refusalReply(session, id);
    return jsonReply(writeJson({ jsonrpc: '2.0', id, result: discovered(session.server) }));
  }

  async #listen(face: Face, way: Way, params: Json): Promise<void> {
    const wanted = filterOf(params);
    if ((wanted.resourceSubscriptions?.length ?? 0) > this.#limits.urisPerListen) {
      return face.refuse(
        invalidParams(`at most ${this.#limits.urisPerListen} resources can be watched by one request`),
      );
    }
    const find = () => this.#sessions.get(way, face.client);
    const listening: Listening = new Listening(face, wanted, find, this.#limits.listensPerSession, () =>
      this.#listening.delete(listening),
    );
    this.#listening.add(listening);
    try {
      const refusal = await listening.begin();
      if (refusal) face.answer(refusalReply(refusal, face.id));
    } catch (error) {
      this.#listening.delete(listening);
      throw error;
    }
  }

  async #call(face: Face, way: Way, params: Json): Promise<void> {
    const { method = '' } = face.exchange.call ?? {};
    const kept = ASKING.has(method) ? this.#kept(way, method, params) : undefined;
    if (kept === 'unknown') {
      return face.refuse(
        invalidParams('requestState was not given to this caller for this call: call again without it'),
      );
    }
    if (kept?.kind === 'parked') return this.#resume(face, way, params, kept);
    if (kept && !kept.keys.every((key) => isAccepted(params.inputResponses, key))) {
      return face.refuse(internalError('the server needs something to be done at a URL first, which was declined'));
    }
    return this.#start(face, way, method, params);
  }

  #kept(way: Way, method: string, params: Json): Kept | 'unknown' | undefined {
    const { requestState } = params;
    if (requestState === undefined) return undefined;
    if (typeof requestState !== 'string') return 'unknown';
    const owner = ownerOf(way, this.#upstream);
    return this.#parking.open(requestState, stateKey(owner, method, params)) ?? 'unknown';
  }

  /** Sends a call; once more in a new session where the server forgot the old one, for then it has read nothing. */
  async #start(face: Face, way: Way, method: string, params: Json, healed = false): Promise<void> {
    const session = await this.#sessions.get(way, face.client);
    if (!('listen' in session)) return face.answer(refusalReply(session, face.id));
    const wrong = method === 'tools/call' ? mismatch(way.exchange, session) : undefined;
    if (wrong !== undefined) return face.refuse(headerMismatch(wrong));
    if (needsStanding(face.client)) await session.stand();
    if (face.over) throw callerLeft();
    const call = new LegacyCall(session, method, params, this.#owner(), face);
    const forgotten = await call.start(way);
    if (!forgotten) return;
    this.#sessions.lose(session);
    if (healed) throw new GatewayError('UPSTREAM_BROKE', 'the server forgets its sessions as soon as they are begun');
    return this.#start(face, way, method, params, true);
  }

  async #resume(face: Face, way: Way, params: Json, { id, here }: Extract<Kept, { kind: 'parked' }>): Promise<void> {
    if (!here) {
      throw new GatewayError(
        'HELD_ELSEWHERE',
        'the call that requestState stands for waits in another process, or ended with it',
      );
    }
    const taken = this.#parking.take(id);
    if (!taken) {
      const why = 'it was answered already, or waited for too long';
      return face.refuse(invalidParams(`what requestState stands for is over: ${why}. Call again without it`));
    }
    const { call, back } = taken;
    if (!sameParams(call.params, params)) {
      back();
      return face.refuse(invalidParams('requestState belongs to a call with other arguments'));
    }
    call.session.way = way;
    const answers = isObject(params.inputResponses) ? params.inputResponses : {};
    if ((await call.resume(face, answers, way)) === 'refused') back();
  }

  #owner() {
    return {
      clock: this.#deps.clock,
      settleMs: this.#limits.settleMs,
      park: (call: LegacyCall) => this.#parking.park(call),
      explain: (call: LegacyCall, { error }: Message) => this.#explain(call, error as RpcError),
    };
  }

  /** URLs that must be visited first are asked for; the call is then made again. */
  #explain(call: LegacyCall, error: RpcError): ModernError | Json {
    const urls = ASKING.has(call.method) ? requiredUrls(error) : undefined;
    if (!urls?.[0]) return error.code === -32042 ? internalError(error.message) : modernError(error);
    const missing = undeclared(urls[0], call.client.capabilities);
    if (missing) return capabilityMissing(missing);
    const inputRequests = Object.fromEntries(urls.map((url, index) => [`url-${index + 1}`, inputRequest(url)]));
    const requestState = this.#parking.again(Object.keys(inputRequests), call);
    return { resultType: 'input_required', inputRequests, requestState };
  }

  #expired(call: LegacyCall): void {
    call.abandon('nobody answered what the server asked for');
    this.#deps.signals.emit('bridge.call-expired', { destination: this.#upstream.name, method: call.method });
  }
}

/** Without it, what a server says or asks beside a call's own stream would be lost. */
function needsStanding({ capabilities, logLevel }: Client): boolean {
  const { sampling, elicitation, roots } = capabilities;
  return logLevel !== undefined || sampling !== undefined || elicitation !== undefined || roots !== undefined;
}

/** What is wrong with the headers in which a tool wants its parameters repeated (SEP-2243); of arguments as anybody reads them. */
function mismatch({ call, request }: Exchange, { headers }: LegacySession): string | undefined {
  const { name, body } = call ?? {};
  if (name === undefined || !headers.knows(name)) return undefined;
  const message = JSON.parse(body?.toString() ?? '{}') as { params?: { arguments?: unknown } };
  return headers.verify(name, message.params?.arguments, (header) => request.header(header));
}

function isAccepted(responses: unknown, key: string): boolean {
  const response = isObject(responses) ? responses[key] : undefined;
  return isObject(response) && response.action === 'accept';
}

/** Of the bridge's own: the server wasn't asked. */
function errorReply({ status, error }: ModernError, exchange: Exchange): Reply {
  const reply = jsonReply(writeJson({ jsonrpc: '2.0', id: exchange.call?.id, error }), [], status);
  return { ...reply, origin: 'gateway' };
}
