import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import type { EventStream } from '../wire/messages.js';
import { valueAt } from '../wire/paramAnnotations.js';
import type { Question, Session } from './legacyToModernSession.js';
import { CODES, RpcError } from './legacyToModernWords.js';

/** What a server wants to know before it goes on (2026-07-28, Multi Round-Trip Requests). */
export interface Ask {
  readonly key: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** As text. */
  readonly paramsText: string;
}

/** A result of `input_required`. */
export interface Asked {
  readonly asks: readonly Ask[];
  /** As text, byte for byte; absent where the server keeps none. */
  readonly state: string | undefined;
}

/** So much one round may ask. */
const MOST_ASKS = 32;

/** What a result asks for. Rejects what is no question: `throws RpcError`. */
export function readAsked(result: unknown, text: string): Asked {
  const state = memberOf(text, 'requestState');
  const requests = memberOf(text, 'inputRequests');
  const parsed = valueAt(result, ['inputRequests']);
  const keys = isObject(parsed) ? Object.keys(parsed) : [];
  if (keys.length > MOST_ASKS) throw new RpcError(CODES.internal, 'the server asks for too much at once');
  if (keys.length === 0 && state === undefined) {
    throw new RpcError(CODES.internal, 'the server asks for input without saying what');
  }
  const asks = keys.map((key) => readAsk(key, valueAt(parsed, [key]), memberOf(requests as string, key) as string));
  return { asks, state };
}

function readAsk(key: string, request: unknown, text: string): Ask {
  const method = valueAt(request, ['method']);
  if (typeof method !== 'string') throw new RpcError(CODES.internal, 'the server asks for input without saying what');
  const params = valueAt(request, ['params']);
  const paramsText = isObject(params) ? (memberOf(text, 'params') as string) : '{}';
  return { key, method, params: isObject(params) ? params : {}, paramsText };
}

/** The capability that an ask needs and the client hasn't declared, in words; undefined where it may be put to it. */
export function missingFor(
  { method, params }: Ask,
  capabilities: Readonly<Record<string, unknown>>,
): string | undefined {
  const has = (...path: string[]) => isObject(valueAt(capabilities, path));
  switch (method) {
    case 'sampling/createMessage':
      if (!has('sampling')) return 'sampling';
      return params.tools !== undefined && !has('sampling', 'tools') ? 'sampling.tools' : undefined;
    case 'elicitation/create': {
      const mode = params.mode === 'url' ? 'url' : 'form';
      return has('elicitation', mode) ? undefined : `elicitation.${mode}`;
    }
    case 'roots/list':
      return has('roots') ? undefined : 'roots';
    default:
      return method;
  }
}

export interface ParkingLimits {
  /** Calls that wait for their client at a time, of one session and of all. */
  readonly perSession: number;
  readonly total: number;
  /** How long one of them waits. */
  readonly waitMs: number;
}

export const PARKING: ParkingLimits = { perSession: 64, total: 10_000, waitMs: 600_000 };

/** Puts a server's questions to clients, and has the calls wait meanwhile. */
export class Parking {
  readonly #clock: Clock;
  readonly #limits: ParkingLimits;
  readonly #parked = new Map<Session, number>();
  #total = 0;
  /** Stands in the ids of questions, so that another process with the same key can tell whose they are. */
  readonly #place = randomBytes(8).toString('hex');

  constructor(clock: Clock, limits: ParkingLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get parked(): number {
    return this.#total;
  }

  /**
   * The client's answers, by the keys of the questions, as the text of an object. Rejects with an RpcError where it
   * declared no such capability, refused, or kept the call waiting for too long; with the signal's reason where that aborts.
   */
  async ask(asks: readonly Ask[], session: Session, stream: EventStream, signal: AbortSignal): Promise<string> {
    for (const ask of asks) {
      const missing = missingFor(ask, session.state.capabilities);
      if (missing !== undefined) {
        throw new RpcError(CODES.internal, `the server asks this client for what it hasn't declared: ${missing}`);
      }
    }
    signal.throwIfAborted();
    this.#enter(session);
    const round = new Round(asks, session, stream, this.#place);
    const over = new AbortController();
    const leave = () => round.fail(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
    this.#clock.sleep(this.#limits.waitMs, over.signal).then(
      () => round.giveUp(this.#limits.waitMs),
      () => {},
    );
    try {
      return await round.answers;
    } finally {
      signal.removeEventListener('abort', leave);
      over.abort();
      round.close();
      this.#leave(session);
    }
  }

  /**
   * A response of the client, as text. One that nobody waits for any more is taken and forgotten.
   * @throws GatewayError HELD_ELSEWHERE where another process asked
   */
  answer(session: Session, id: string | number | undefined, text: string): void {
    const place = typeof id === 'string' ? /^db-([\da-f]{16})-/.exec(id)?.[1] : undefined;
    if (place !== undefined && place !== this.#place) {
      throw new GatewayError('HELD_ELSEWHERE', 'the call that asked this waits in another process, or ended with it');
    }
    if (typeof id === 'string') session.questions.get(id)?.answered(text);
  }

  #enter(session: Session): void {
    const parked = this.#parked.get(session) ?? 0;
    if (parked >= this.#limits.perSession || this.#total >= this.#limits.total) {
      throw new RpcError(CODES.internal, 'too many calls wait for answers of their clients: try again later');
    }
    this.#parked.set(session, parked + 1);
    this.#total += 1;
  }

  #leave(session: Session): void {
    const parked = (this.#parked.get(session) ?? 1) - 1;
    if (parked === 0) this.#parked.delete(session);
    else this.#parked.set(session, parked);
    this.#total -= 1;
  }
}

/** Questions that were put together, and are answered together. */
class Round {
  readonly answers: Promise<string>;
  readonly #session: Session;
  readonly #stream: EventStream;
  /** Our ids of the questions that are open. */
  readonly #open = new Set<string>();
  #answered = new Map<string, string>();
  #resolve: (text: string) => void = () => {};
  #reject: (reason: Error) => void = () => {};

  constructor(asks: readonly Ask[], session: Session, stream: EventStream, place: string) {
    this.#session = session;
    this.#stream = stream;
    this.answers = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    for (const ask of asks) this.#put(ask, `db-${place}-${randomUUID()}`);
  }

  fail(reason: Error): void {
    this.#reject(reason);
  }

  giveUp(waitMs: number): void {
    for (const requestId of this.#open) {
      const params = { requestId, reason: 'no answer came in time' };
      this.#stream.send({ data: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }) });
    }
    this.fail(new RpcError(CODES.internal, `the client did not answer within ${Math.round(waitMs / 1000)} s`));
  }

  close(): void {
    for (const id of this.#open) this.#session.questions.delete(id);
  }

  #put(ask: Ask, id: string): void {
    this.#open.add(id);
    this.#session.questions.set(id, {
      answered: (text) => {
        this.#session.questions.delete(id);
        this.#open.delete(id);
        this.#take(ask, text);
      },
    } satisfies Question);
    const method = JSON.stringify(ask.method);
    this.#stream.send({ data: `{"jsonrpc":"2.0","id":"${id}","method":${method},"params":${legacyParams(ask, id)}}` });
  }

  #take(ask: Ask, text: string): void {
    const result = memberOf(text, 'result');
    if (result !== undefined) this.#answered.set(ask.key, result);
    // Whoever couldn't be asked has decided nothing: the server may go on without.
    else if (ask.method === 'elicitation/create') this.#answered.set(ask.key, '{"action":"cancel"}');
    else return this.fail(refusal(ask, text));
    if (this.#open.size === 0) this.#resolve(withMembers('{}', this.#answered));
  }
}

/** The revisions of 2025 know a URL elicitation by an id of its own. */
function legacyParams({ method, params, paramsText }: Ask, id: string): string {
  if (method !== 'elicitation/create' || params.mode !== 'url' || params.elicitationId !== undefined) return paramsText;
  return withMembers(paramsText, new Map([['elicitationId', JSON.stringify(id)]]));
}

function refusal(ask: Ask, text: string): RpcError {
  const said = valueAt(JSON.parse(text), ['error', 'message']);
  return new RpcError(
    CODES.internal,
    `the client refused ${ask.method}: ${String(said ?? 'no reason given').slice(0, 500)}`,
  );
}
