import type { Clock, Exchange, Reply } from '../contracts.js';
import { type ErrorCode, GatewayError } from '../core/errors.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { backOffMs } from '../resilience/retry.js';
import { headerValue, retryAfterMs } from '../wire/headers.js';
import { failureText, refusalText, type Said } from './messageCallerSaid.js';

/**
 * Why a message got no answer that could be handed on. `session`: the server has forgotten it. `temporary`: nobody is
 * there just now. `mirror`: headers that a tool asks for were missing (-32020). `final`: that is its answer.
 */
export interface Trouble {
  readonly kind: 'session' | 'temporary' | 'mirror' | 'final';
  /** The server surely did nothing. */
  readonly untouched: boolean;
  /** For the caller, where nothing mends it; undefined where nobody waits. */
  readonly text: string | undefined;
  /** Milliseconds that the server asked us to wait. */
  readonly retryMs?: number | undefined;
}

/** Failures of ours that pass when the server is back. */
const PASSING: ReadonlySet<string> = new Set<ErrorCode>([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_BROKE',
  'CIRCUIT_OPEN',
  'OVERLOADED',
  'IDENTITY_UNAVAILABLE',
]);
/** Of them, those that were never sent. */
const NEVER_SENT: ReadonlySet<string> = new Set<ErrorCode>(['CIRCUIT_OPEN', 'OVERLOADED', 'IDENTITY_UNAVAILABLE']);
const AWAY = new Set([502, 503, 504]);

const HEADER_MISMATCH = -32020;

/** What an answer with an HTTP error means. `text`: its body. `session`: whether the message went out in one. */
export function troubleOf(
  said: Said,
  exchange: Exchange,
  { status, headers, origin }: Reply,
  text: string,
  session: boolean,
): Trouble {
  const { failure } = exchange;
  if (origin === 'gateway' && failure) return ofOurs(failure, text, session);
  const answer = refusalText(said, status, text, exchange.id);
  const code = rpcCode(text);
  if (session && isLost(status, text)) return { kind: 'session', untouched: true, text: answer };
  const retryMs = retryAfterMs(headerValue(headers, 'retry-after'), Date.now());
  if (AWAY.has(status) && code === undefined) return { kind: 'temporary', untouched: false, text: answer, retryMs };
  if (code === HEADER_MISMATCH && said.call.method === 'tools/call')
    return { kind: 'mirror', untouched: true, text: answer };
  return { kind: 'final', untouched: true, text: answer };
}

function ofOurs(failure: NonNullable<Exchange['failure']>, text: string, session: boolean): Trouble {
  const { code } = failure;
  if (code === 'SESSION_LOST' && session) return { kind: 'session', untouched: true, text };
  const neverSent = NEVER_SENT.has(code) || (failure instanceof GatewayError && failure.neverSent);
  const passing = PASSING.has(code) || (code === 'UPSTREAM_TIMEOUT' && neverSent);
  return { kind: passing ? 'temporary' : 'final', untouched: neverSent, text };
}

/** 404 is what the revisions say (2025-11-25, Session Management); servers that forgot it in a restart say 400, too. */
export function isLost(status: number, text: string): boolean {
  if (status === 404) return rpcCode(text) !== METHOD_NOT_FOUND;
  return status === 400 && /session|not initialized/i.test(text.slice(0, 2000));
}

function rpcCode(text: string): unknown {
  const value = parsedOrNothing(text);
  return isObject(value) && isObject(value.error) ? value.error.code : undefined;
}

/** The answer was begun and never ended: whether the server did the work, nobody can say. */
export function brokenOff(said: Said, requestId: string): Trouble {
  const hint = 'The server may have done the work: look before you repeat the call.';
  const message = 'the server broke off before it had answered';
  return {
    kind: 'temporary',
    untouched: false,
    text: failureText(said, { code: 'UPSTREAM_BROKE', message, hint, requestId }),
  };
}

/** For so long a server that is away is waited for. Milliseconds. */
const LONGEST_WAIT_MS = 30_000;
const SHORTEST_MS = 50;
const BASE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** Waits, longer each time, until it has waited for long enough. */
export class Patience {
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  readonly #longest: number;
  readonly #pause: number;
  #until: number | undefined = undefined;
  #waits = 0;

  constructor(clock: Clock, closing: AbortSignal, longest = LONGEST_WAIT_MS, pause = LONGEST_PAUSE_MS) {
    this.#clock = clock;
    this.#closing = closing;
    this.#longest = longest;
    this.#pause = pause;
  }

  /** The server was there: what comes later is another outage. */
  renew(): void {
    this.#until = undefined;
    this.#waits = 0;
  }

  /** False, at once, where it has been long enough, or everything ends. */
  async wait(askedMs = 0): Promise<boolean> {
    const now = this.#clock.monotonic();
    this.#until ??= now + this.#longest;
    const ms = Math.max(askedMs, SHORTEST_MS + this.#backOff());
    this.#waits += 1;
    if (now + ms > this.#until || this.#closing.aborted) return false;
    return this.#clock.sleep(ms, this.#closing).then(
      () => true,
      () => false,
    );
  }

  #backOff(): number {
    return backOffMs(this.#waits, { baseMs: BASE_MS, maxMs: this.#pause }, () => this.#clock.random());
  }
}
