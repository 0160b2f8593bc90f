import type { Clock, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import type { OpenExchange } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { isForgotten, letGo, type Refusal, readRefusal, refusalReply } from './modernToLegacyAnswers.js';
import type { Face } from './modernToLegacyFace.js';
import { inputRequest } from './modernToLegacyInputs.js';
import { writeJson } from './modernToLegacyJson.js';
import {
  ASKING,
  invalidParams,
  isWanted,
  type Json,
  legacyParams,
  type Message,
  type ModernError,
  modernResult,
} from './modernToLegacyMessages.js';
import type { LegacySession, Running, Way } from './modernToLegacySession.js';
import { LegacyStream } from './modernToLegacyStream.js';

/** What a call says to whoever runs it. */
export interface CallOwner {
  readonly clock: Clock;
  readonly settleMs: number;
  /** The caller must answer something first: keeps the call, and says under which state it is found again. Throws where it can't. */
  park(call: LegacyCall): string;
  /** An error of the server, in words of 2026-07-28: or what has to be done before the call is made again. */
  explain(call: LegacyCall, message: Message): ModernError | Json;
}

/** Nobody answers more at a time. */
const MOST_QUESTIONS = 32;

/** One call at the server, from its POST to its answer, through as many questions as the server has. */
export class LegacyCall implements Running {
  readonly id: number;
  readonly method: string;
  /** As the client said them, for a retry must say the same. */
  readonly params: Json;
  readonly session: LegacySession;
  readonly #owner: CallOwner;
  readonly #stream: LegacyStream;
  readonly #questions = new Map<string, Message>();
  #asked = 0;
  #face: Face | undefined;
  /** Of whoever waited last. */
  #client: Face['client'];
  #settling = false;
  #posting: OpenExchange | undefined;
  #outcome: Message | Error | undefined;

  constructor(session: LegacySession, method: string, params: Json, owner: CallOwner, face: Face) {
    this.id = session.nextId();
    this.method = method;
    this.params = params;
    this.session = session;
    this.#owner = owner;
    this.#client = face.client;
    this.#stream = new LegacyStream(
      {
        message: (message) => session.receive(message, this),
        over: (reason) => this.#ended(reason ?? noAnswer()),
        reopen: (lastEventId) => this.#post(session.exchange({ method: 'GET' }, lastEventId)),
      },
      owner.clock,
    );
    this.#show(face);
  }

  get client(): Face['client'] {
    return this.#client;
  }

  get asks(): boolean {
    return ASKING.has(this.method) && this.#outcome === undefined;
  }

  get parked(): boolean {
    return this.#face === undefined;
  }

  /** Sends it. Resolves once the answer has begun; true where the server has read nothing because it forgot the session. */
  async start(way: Way): Promise<boolean> {
    this.session.add(this);
    const { progressToken } = this.#client;
    const params = legacyParams(this.params, progressToken === undefined ? undefined : this.id);
    const message = writeJson({ jsonrpc: '2.0', id: this.id, method: this.method, params });
    try {
      const reply = await this.#post(this.session.exchange({ method: 'POST', message }, undefined, way), way);
      if (reply.status === 200) this.#stream.read(reply);
      else return this.#refused(await readRefusal(reply));
    } catch (error) {
      this.#ended(error as Error);
    }
    return false;
  }

  /** Another caller's request goes on with it: `answers` is what was asked for, by key. Resolves once the server has them. */
  async resume(face: Face, answers: Json, way: Way): Promise<'taken' | 'refused'> {
    if (!Object.values(answers).every(isObject)) {
      face.refuse(invalidParams('inputResponses must hold one result object under each key'));
      return 'refused';
    }
    this.#show(face);
    this.#client = face.client;
    for (const [key, result] of Object.entries(answers)) {
      const question = this.#questions.get(key);
      if (!question || this.#outcome) continue;
      this.#questions.delete(key);
      const refusal = await this.#tell(question, result as Json, way);
      if (!refusal || this.#outcome) continue;
      this.#questions.set(key, question);
      return this.#waitOn(face, refusal);
    }
    if (this.#outcome) this.#conclude();
    else if (this.#questions.size > 0) this.#settle();
    return 'taken';
  }

  /** Nobody will ever ask for it again. */
  abandon(reason: string): void {
    if (!this.#outcome) {
      this.session.say({ method: 'notifications/cancelled', params: { requestId: this.id, reason } });
    }
    this.#drop();
    this.#outcome ??= callerLeft();
  }

  /** Whoever waits is told why it ends. */
  fail(reason: Error): void {
    this.#ended(reason);
  }

  answered(message: Message): void {
    if (this.#outcome) return;
    this.#outcome = message;
    this.#stream.finish();
    this.#drop();
    this.#conclude();
  }

  asked(message: Message): void {
    if (this.#questions.size >= MOST_QUESTIONS) {
      return this.session.say({ id: message.id, error: { code: -32603, message: 'too many questions at once' } });
    }
    this.#asked += 1;
    this.#questions.set(`input-${this.#asked}`, message);
    this.#settle();
  }

  withdrawn(requestId: unknown): boolean {
    for (const [key, { id }] of this.#questions) if (id === requestId) return this.#questions.delete(key);
    return false;
  }

  notified(message: Message): void {
    const { method, params } = message;
    // Servers need not mind the level, and some don't.
    if (method === 'notifications/message' && !isWanted(params?.level, this.#client.logLevel)) return;
    this.#face?.notify(message);
  }

  progressed(message: Message): void {
    const { progressToken } = this.#client;
    if (progressToken === undefined) return;
    this.#face?.notify({ ...message, params: { ...message.params, progressToken } });
  }

  /** The questions as the caller gets them. */
  questions(): Json {
    return Object.fromEntries([...this.#questions].map(([key, question]) => [key, inputRequest(question)]));
  }

  #show(face: Face): void {
    this.#face = face;
    face.left = () => this.abandon('the client left');
  }

  async #post(exchange: OpenExchange, way?: Way): Promise<Reply> {
    this.#posting = exchange;
    try {
      return await this.session.send(exchange, way);
    } finally {
      this.#posting = undefined;
    }
  }

  /** The server didn't take an answer, and may on the next try: the call stays, its caller hears why. */
  #waitOn(face: Face, refusal: Refusal | GatewayError): 'refused' {
    this.#face = undefined;
    face.left = () => {};
    if (refusal instanceof GatewayError) face.fail(refusal);
    else face.answer(refusalReply(refusal, face.id));
    return 'refused';
  }

  /** A refusal must reach the caller, so that its credential may be renewed. */
  async #tell({ id }: Message, result: Json, way: Way): Promise<Refusal | GatewayError | undefined> {
    try {
      const reply = await this.session.post({ jsonrpc: '2.0', id, result }, way);
      if (reply.status < 300) return void letGo(reply);
      const refusal = await readRefusal(reply);
      if (isForgotten(refusal)) this.#ended(noAnswer());
      return refusal;
    } catch (error) {
      if (error instanceof GatewayError && error.neverSent) return error;
      this.#ended(error as Error);
      return undefined;
    }
  }

  #refused(refusal: Refusal): boolean {
    this.#drop();
    if (this.session.id !== undefined && isForgotten(refusal)) return true;
    this.#outcome = callerLeft();
    const face = this.#face;
    const message = refusal.status < 400 ? undefined : refusalReply(refusal, face?.id);
    if (message) face?.answer(message);
    else face?.fail(noAnswer());
    return false;
  }

  #ended(reason: Error): void {
    if (this.#outcome) return;
    this.#outcome = reason;
    this.#drop();
    this.#conclude();
  }

  /** Nothing is expected from the server any more. */
  #drop(): void {
    this.#stream.close();
    this.#posting?.leave(callerLeft());
    this.#questions.clear();
    this.session.remove(this);
  }

  /** Says how it ended; a caller that is thinking hears of it when it comes back. */
  #conclude(): void {
    const face = this.#face;
    const outcome = this.#outcome;
    if (!face || !outcome) return;
    if (outcome instanceof Error) return face.fail(outcome);
    if (outcome.error === undefined) {
      if (this.method === 'tools/list') this.session.headers.learn(outcome.result);
      return face.finish(modernResult(this.method, outcome.result ?? {}, this.session.server));
    }
    const said = this.#owner.explain(this, outcome);
    if ('status' in said) face.refuse(said as ModernError);
    else face.finish(said);
  }

  /** Questions that are asked in one breath are passed on in one. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    this.#owner.clock.sleep(this.#owner.settleMs).then(() => {
      this.#settling = false;
      this.#park();
    });
  }

  #park(): void {
    const face = this.#face;
    if (!face || face.over || this.#outcome || this.#questions.size === 0) return;
    try {
      const requestState = this.#owner.park(this);
      this.#face = undefined;
      face.finish({ resultType: 'input_required', inputRequests: this.questions(), requestState });
    } catch (error) {
      this.abandon('too many calls wait for an answer');
      face.fail(error);
    }
  }
}

function noAnswer(): GatewayError {
  return new GatewayError('UPSTREAM_BROKE', 'the server broke off before it answered');
}
