import type { AuthBroker, AuthToken, Clock, Credential, Exchange, Reply, Route, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import type { Circuit, Health } from '../resilience/circuitBreaker.js';
import { backOffMs, type RetryBudget, type RetryOptions } from '../resilience/retry.js';
import { headerValue, retryAfterMs } from '../wire/headers.js';
import { discard } from './discard.js';
import type { Handler } from './pipeline.js';

/** What guards one destination against its own upstream. */
export interface Protection {
  readonly circuit: Circuit;
  readonly budget: RetryBudget;
}

export interface ProxyClientDeps {
  readonly broker: AuthBroker;
  readonly clock: Clock;
  readonly signals: Signals;
  readonly retry: RetryOptions;
  protection(destination: string): Protection;
}

/** How one attempt ended. */
type Result = { readonly reply: Reply; readonly credential?: Credential } | { readonly error: GatewayError };

/** What one exchange has used up of its chances. */
interface Progress {
  retries: number;
  replayed: boolean;
}

/** What to do with a result. `wait` is in milliseconds. */
type Verdict =
  | { readonly next: 'take' }
  | { readonly next: 'replay' }
  | { readonly next: 'repeat'; readonly wait: number };

const TAKE: Verdict = { next: 'take' };
/** Answers that say: not now. Anything else an upstream says is its answer. */
const TEMPORARY = new Set([429, 502, 503, 504]);
const SICK = new Set([502, 503, 504]);
/** The caller waits meanwhile, so a longer `Retry-After` is passed to it rather than slept through. */
const LONGEST_WAIT_MS = 10_000;

/** So long a fresh token that was refused is not replaced: else each refused call would cost a token request. */
const HOPELESS_MS = 30_000;

/** The terminal that forwards an exchange to its MCP upstream. */
export function createProxyClient(deps: ProxyClientDeps): Handler {
  const chain = new AttemptChain(deps);
  return function proxyClient(exchange) {
    return chain.run(exchange, exchange.route as Route);
  };
}

/** Once per try: breaker, credential, send, classify. A replay needs a fresh credential, so this is a chain of its own. */
class AttemptChain {
  readonly #deps: ProxyClientDeps;
  /** Tokens that were refused when they were fresh, and until when no other one is tried in their place. */
  readonly #refusedFresh = new WeakMap<AuthToken, number>();

  constructor(deps: ProxyClientDeps) {
    this.#deps = deps;
  }

  async run(exchange: Exchange, route: Route): Promise<Reply> {
    const protection = this.#deps.protection(route.destination);
    const progress: Progress = { retries: 0, replayed: false };
    protection.budget.deposit();
    for (;;) {
      const result = await this.#attempt(exchange, route, protection.circuit);
      const verdict = this.#classify(result, exchange, route, progress, protection);
      if (verdict.next === 'take') return this.#settle(result, route, progress);
      if ('reply' in result) discard(result.reply);
      await this.#prepare(verdict, exchange, progress, result);
    }
  }

  async #attempt(exchange: Exchange, route: Route, circuit: Circuit): Promise<Result> {
    const { clock } = this.#deps;
    exchange.costs.attempts += 1;
    let mark = clock.monotonic();
    try {
      circuit.assertAdmits();
      const credential = await this.#credential(exchange, route);
      exchange.costs.tokenMs += clock.monotonic() - mark;
      mark = clock.monotonic();
      const result = await circuit.run(
        () => send(exchange, route, credential),
        (end) => health(end, exchange),
      );
      exchange.costs.upstreamMs += clock.monotonic() - mark;
      return result;
    } catch (error) {
      if (error instanceof GatewayError) return { error };
      throw error;
    }
  }

  #isHopeless(token: AuthToken): boolean {
    return this.#deps.clock.now() < (this.#refusedFresh.get(token) ?? 0);
  }

  #credential(exchange: Exchange, route: Route): Credential | undefined | Promise<Credential> {
    if (route.credential === undefined) return undefined;
    return this.#deps.broker.credential(route.credential, exchange, route.url.origin);
  }

  #classify(result: Result, exchange: Exchange, route: Route, progress: Progress, protection: Protection): Verdict {
    if (exchange.signal.aborted) return TAKE;
    if ('reply' in result && isRefusal(result.reply.status) && result.credential) {
      if (progress.replayed || this.#isHopeless(result.credential.token)) return TAKE;
      return this.#deps.broker.reject(route.credential as string, result.credential) ? { next: 'replay' } : TAKE;
    }
    const wait = this.#waitBeforeRepeat(result, exchange, route, progress);
    if (wait === undefined || !protection.circuit.admits || !protection.budget.withdraw()) return TAKE;
    return { next: 'repeat', wait };
  }

  /** Milliseconds; undefined where the call must not, or needn't, be sent again. */
  #waitBeforeRepeat(result: Result, exchange: Exchange, route: Route, progress: Progress): number | undefined {
    const { clock, retry } = this.#deps;
    if (progress.retries + 1 >= retry.attempts || !isTemporary(result)) return undefined;
    const neverSent = 'error' in result && result.error.neverSent;
    const safe = neverSent || retry.unsafe || (exchange.call && route.upstream.safeToRepeat(exchange.call));
    const asked =
      'reply' in result ? retryAfterMs(headerValue(result.reply.headers, 'retry-after'), clock.now()) : undefined;
    if (!safe || (asked ?? 0) > LONGEST_WAIT_MS) return undefined;
    return Math.max(asked ?? 0, backOffMs(progress.retries, retry, clock.random));
  }

  async #prepare(verdict: Verdict, exchange: Exchange, progress: Progress, result: Result): Promise<void> {
    const fields = { requestId: exchange.id, destination: exchange.route?.destination };
    if (verdict.next === 'repeat') {
      progress.retries += 1;
      this.#deps.signals.emit('attempt.repeated', {
        ...fields,
        after: describe(result),
        waitMs: Math.round(verdict.wait),
      });
      await this.#deps.clock.sleep(verdict.wait, exchange.signal);
    } else {
      progress.replayed = true;
      this.#deps.signals.emit('attempt.replayed', fields);
    }
  }

  /** The last result, as the caller gets it: a refused credential of ours is never the caller's 401. */
  #settle(result: Result, route: Route, progress: Progress): Reply {
    if ('error' in result) throw result.error;
    const { reply, credential } = result;
    if (!credential || !isRefusal(reply.status)) return reply;
    if (progress.replayed) this.#refusedFresh.set(credential.token, this.#deps.clock.now() + HOPELESS_MS);
    // A 403 without a challenge, even to a fresh token, speaks of the call.
    if (reply.status === 403 && headerValue(reply.headers, 'www-authenticate') === undefined) return reply;
    discard(reply);
    throw new GatewayError(
      'CREDENTIAL_REFUSED',
      `${route.destination} refuses the credential ${route.credential} (${reply.status})`,
    );
  }
}

/** One try, whose end is never a rejection: the circuit judges results. */
async function send(exchange: Exchange, route: Route, credential: Credential | undefined): Promise<Result> {
  const shown = credential ? { credential } : {};
  try {
    const attempt = { number: exchange.costs.attempts, route, signal: exchange.signal, ...shown };
    return { reply: await route.upstream.send(exchange, attempt), ...shown };
  } catch (error) {
    if (error instanceof GatewayError) return { error };
    throw error;
  }
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** A missed first byte isn't repeated: the caller has waited for minutes, and would again. */
function isTemporary(result: Result): boolean {
  if ('reply' in result) return TEMPORARY.has(result.reply.status);
  const { code, neverSent } = result.error;
  return code === 'UPSTREAM_BROKE' || code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_TIMEOUT' && neverSent);
}

/** A caller's leaving says nothing about the upstream; neither does what we refused to send. */
function health(result: Result, exchange: Exchange): Health {
  if (exchange.signal.aborted) return 'neither';
  if ('reply' in result) return SICK.has(result.reply.status) ? 'bad' : 'good';
  return result.error.code.startsWith('UPSTREAM_') ? 'bad' : 'neither';
}

function describe(result: Result): string {
  return 'reply' in result ? String(result.reply.status) : result.error.code;
}
