import type { Clock, Reply } from '../contracts.js';
import { isObject } from '../core/json.js';
import { isEventStream } from '../wire/headers.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import { EventStream, jsonReply } from '../wire/messages.js';
import { valueAt } from '../wire/paramAnnotations.js';
import { type Asked, type Parking, readAsked } from './legacyToModernAsking.js';
import type { ReplayedStream } from './legacyToModernReplay.js';
import type { Errand, ModernSender } from './legacyToModernSend.js';
import type { Cancellable, Session } from './legacyToModernSession.js';
import { type Answer, keepAlive, readAnswer } from './legacyToModernStreams.js';
import { CODES, errorOf, legacyError, legacyResult, legacyTools, RpcError, response } from './legacyToModernWords.js';

/** A request of a client of old. */
export interface LegacyRequest {
  /** As text. */
  readonly id: string;
  readonly method: string;
  readonly params: string | undefined;
  readonly name?: string | undefined;
}

/** What all calls of a bridge share. */
export interface CallDeps {
  readonly clock: Clock;
  readonly sender: ModernSender;
  readonly parking: Parking;
}

/** So often a server may ask before it answers one call. */
const MOST_ROUNDS = 32;
/** Before a server is asked again that gave nothing to do but ask again. Milliseconds. */
const AGAIN_MS = 200;

const BROKE_OFF = new RpcError(CODES.internal, 'the connection broke off before the answer: the call was cancelled');

/** One call: from a request of old to its response, through as many rounds of 2026-07-28 as the server needs. */
export class BridgedCall implements Cancellable {
  readonly #deps: CallDeps;
  readonly #session: Session;
  readonly #request: LegacyRequest;
  readonly #errand: Errand;
  #stream: ReplayedStream | undefined;
  /** By the client itself: then it is owed no answer. */
  #cancelled = false;

  constructor(deps: CallDeps, session: Session, request: LegacyRequest, errand: Errand) {
    this.#deps = deps;
    this.#session = session;
    this.#request = request;
    this.#errand = errand;
  }

  /**
   * The answer, or the stream on which it will come. What isn't JSON-RPC, such as a 401, is returned as it came.
   * @throws GatewayError as the upstream does
   */
  async open(): Promise<Reply> {
    const { exchange } = this.#errand;
    this.#session.calls.set(this.#request.id, this);
    exchange.held = { cancel: () => (this.#stream ? this.#stream.leave() : this.#leave()) };
    if (exchange.gone) this.#leave();
    try {
      return await this.#begin();
    } catch (error) {
      if (this.#cancelled) return endedStream();
      if (error instanceof RpcError) return jsonReply(this.#failure(error));
      throw error;
    } finally {
      if (!this.#stream) this.#done();
    }
  }

  /** By a `notifications/cancelled`. */
  cancel(): void {
    this.#cancelled = true;
    this.#leave();
    this.#stream?.end();
  }

  async #begin(): Promise<Reply> {
    const reply = await this.#send();
    if (reply.status >= 300) return reply;
    if (isEventStream(reply.headers)) return this.#streamed(() => this.#read(reply));
    const answer = await this.#read(reply);
    return isAsking(answer) ? this.#streamed(() => answer) : jsonReply(this.#words(answer));
  }

  #streamed(first: () => Answer | Promise<Answer>): Reply {
    const stream = this.#session.replay.stream(() => this.#leave());
    this.#stream = stream;
    void keepAlive(stream, this.#deps.clock, this.#errand.signal);
    void this.#converse(stream, first);
    return stream.reply();
  }

  /** Never rejects: what goes wrong from here on is the response. */
  async #converse(stream: EventStream, first: () => Answer | Promise<Answer>): Promise<void> {
    try {
      stream.send({ data: this.#words(await this.#rounds(stream, await first())) });
    } catch (error) {
      // Whoever comes back for it hears that it is over, unless that is what it asked for.
      if (!this.#cancelled) stream.send({ data: this.#failure(this.#errand.over ? BROKE_OFF : error) });
    }
    this.#done();
    stream.end();
    this.#errand.release(this.#deps.clock);
  }

  async #rounds(stream: EventStream, first: Answer): Promise<Answer> {
    let answer = first;
    for (let round = 0; isAsking(answer); round++) {
      if (round === MOST_ROUNDS) throw new RpcError(CODES.internal, 'the server asks again and again');
      const { result } = answer.message;
      const asked = readAsked(result, memberOf(answer.text, 'result') as string);
      answer = await this.#read(await this.#send(await this.#satisfy(asked, stream)));
    }
    return answer;
  }

  /** What the next round says besides. */
  async #satisfy({ asks, state }: Asked, stream: EventStream): Promise<Map<string, string | undefined>> {
    const more = new Map<string, string | undefined>([['requestState', state]]);
    const { signal } = this.#errand;
    if (asks.length === 0) await this.#deps.clock.sleep(AGAIN_MS, signal);
    else more.set('inputResponses', await this.#deps.parking.ask(asks, this.#session, stream, signal));
    return more;
  }

  #send(more: ReadonlyMap<string, string | undefined> = new Map()): Promise<Reply> {
    const { method, params } = this.#request;
    // A server without tasks of old takes no notice of a wish for one (2025-11-25, Tasks).
    const changes = new Map([...more, ['task', undefined]] as [string, string | undefined][]);
    const whole = withMembers(params ?? '{}', changes);
    return this.#deps.sender.request({ method, params: whole, envelope: this.#session.envelope }, this.#errand);
  }

  #read(reply: Reply): Promise<Answer> {
    if (reply.status >= 300) {
      throw new RpcError(CODES.internal, `the server answered ${reply.status} in the middle of a call`);
    }
    return readAnswer(reply, (text) => this.#stream?.send({ data: text }), this.#errand.signal);
  }

  /** The response in the words of the client's revision. */
  #words({ text, message }: Answer): string {
    const { id, method } = this.#request;
    const error = memberOf(text, 'error');
    if (error !== undefined) return response(id, 'error', legacyError(error, message.error, this.#request));
    const { result } = message;
    if (!isObject(result)) throw new RpcError(CODES.internal, 'the server answered without a result');
    this.#assertKnown(result.resultType);
    const words = legacyResult(memberOf(text, 'result') as string, result);
    if (method !== 'tools/list') return response(id, 'result', words);
    return response(id, 'result', legacyTools(words, result, this.#deps.sender.learn(result)));
  }

  /** Other types of results belong to extensions, which both sides must know. */
  #assertKnown(type: unknown): void {
    if (type === undefined || type === 'complete' || isObject(this.#session.state.capabilities.extensions)) return;
    throw new RpcError(
      CODES.internal,
      `the server answered with a result that this client can't know: ${String(type)}`,
    );
  }

  #failure(error: unknown): string {
    return response(this.#request.id, 'error', errorOf(error, this.#errand.exchange));
  }

  #leave(): void {
    this.#done();
    this.#errand.end();
  }

  #done(): void {
    const { calls } = this.#session;
    if (calls.get(this.#request.id) === this) calls.delete(this.#request.id);
    this.#errand.exchange.held = undefined;
  }
}

function isAsking({ message }: Answer): boolean {
  return valueAt(message.result, ['resultType']) === 'input_required';
}

function endedStream(): Reply {
  const stream = new EventStream();
  stream.end();
  return stream.reply();
}
