import type {
  AuthBroker,
  AuthToken,
  Clock,
  Credential,
  Exchange,
  Handler,
  HeaderLines,
  Reply,
  Route,
  Signals,
  TraceStep,
} from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import type { Circuit, Health } from '../resilience/circuitBreaker.js';
import { backOffMs, type RetryBudget, type RetryOptions } from '../resilience/retry.js';
import { headerValue, retryAfterMs, without } from '../wire/headers.js';
import { placeOf } from '../wire/paths.js';
import { traceIdOf } from './accessRecord.js';
import { discard } from './discard.js';
import { attemptStep, endAttempt, tracedToken } from './traceSteps.js';

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

/** An answer, and what it was shown. */
class Delivery {
  readonly reply: Reply;
  readonly credential: Credential | undefined;

  constructor(reply: Reply, credential: Credential | undefined) {
    this.reply = credential?.hides ? { ...reply, headers: without(reply.headers, credential.hides) } : reply;
    this.credential = credential;
  }
}

/** How one attempt ended. */
type Result = Delivery | GatewayError;

/** What becomes of a result. */
type Take<Taken> = (result: Result) => Taken | Promise<Taken>;

/** What is shown to an upstream, and from when on the upstream's time counts. */
interface Shown {
  readonly credential: Credential | undefined;
  readonly at: number;
  readonly trace: HeaderLines | undefined;
}

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

  /** The first try, which is nearly always the only one, makes as few promises as it can. */
  run(exchange: Exchange, route: Route): Promise<Reply> {
    if (route.upstream.delegates) return this.#delegate(exchange, route);
    const protection = this.#deps.protection(route.destination);
    protection.budget.deposit();
    return this.#attempt(exchange, route, protection, (result) => {
      const good = result instanceof Delivery && result.reply.status < 400;
      return good ? result.reply : this.#conclude(result, exchange, route, protection);
    });
  }

  /** Whoever it calls is guarded by itself: one that is broken must not take the others with it. */
  #delegate(exchange: Exchange, route: Route): Promise<Reply> {
    const { clock } = this.#deps;
    const asked = clock.monotonic();
    exchange.costs.attempts += 1;
    return route.upstream.send(exchange, { number: 1, route, credential: undefined }).finally(() => {
      exchange.costs.upstreamMs += clock.monotonic() - asked;
    });
  }

  /** From a first result that isn't plainly good to the one that the caller gets. */
  async #conclude(first: Result, exchange: Exchange, route: Route, protection: Protection): Promise<Reply> {
    const progress: Progress = { retries: 0, replayed: false };
    let result = first;
    for (;;) {
      const verdict = this.#classify(result, exchange, route, progress, protection);
      if (verdict.next === 'take') return this.#settle(result, route, progress);
      if (result instanceof Delivery) discard(result.reply);
      await this.#prepare(verdict, exchange, progress, result);
      result = await this.#attempt(exchange, route, protection, (again) => again);
    }
  }

  /** One try; `take` makes of its result what is resolved with. */
  #attempt<Taken>(exchange: Exchange, route: Route, protection: Protection, take: Take<Taken>): Promise<Taken> {
    exchange.costs.attempts += 1;
    if (!exchange.trace) return this.#try(exchange, route, protection, take);
    const step = attemptStep(exchange);
    const traced: Take<Taken> = (result) => {
      endAttempt(step, exchange, route, result instanceof Delivery ? result.reply : result);
      return take(result);
    };
    return this.#try(exchange, route, protection, traced, step);
  }

  #try<Taken>(
    exchange: Exchange,
    route: Route,
    { circuit }: Protection,
    take: Take<Taken>,
    step?: TraceStep,
  ): Promise<Taken> {
    const { clock } = this.#deps;
    const trace = exchange.trace?.onwards(step);
    const asked = clock.monotonic();
    try {
      circuit.assertAdmits();
      const credential = this.#credential(exchange, route);
      if (!(credential instanceof Promise)) {
        return this.#send(exchange, route, circuit, { credential, at: asked, trace }, take);
      }
      return tracedToken(credential, exchange, route, step).then(
        (fetched) => {
          const at = clock.monotonic();
          exchange.costs.tokenMs += at - asked;
          return this.#send(exchange, route, circuit, { credential: fetched, at, trace }, take);
        },
        (error) => take(asFailure(error)),
      );
    } catch (error) {
      return Promise.resolve(asFailure(error)).then(take);
    }
  }

  /** A closed circuit only counts; one that tries its upstream out wants the whole try in its hands. */
  #send<Taken>(exchange: Exchange, route: Route, circuit: Circuit, shown: Shown, take: Take<Taken>): Promise<Taken> {
    const { credential, at, trace } = shown;
    const attempt = { number: exchange.costs.attempts, route, credential, trace };
    const judge = (result: Result) => {
      exchange.costs.upstreamMs += this.#deps.clock.monotonic() - at;
      return health(result, exchange);
    };
    if (!circuit.closed) {
      const job = () =>
        route.upstream.send(exchange, attempt).then((reply): Result => new Delivery(reply, credential), asFailure);
      return circuit.try(job, judge).then(take, (error) => take(asFailure(error)));
    }
    const learn = (result: Result) => {
      circuit.count(judge(result));
      return take(result);
    };
    return route.upstream.send(exchange, attempt).then(
      (reply) => learn(new Delivery(reply, credential)),
      (error) => learn(asFailure(error)),
    );
  }

  #isHopeless(token: AuthToken): boolean {
    return this.#deps.clock.now() < (this.#refusedFresh.get(token) ?? 0);
  }

  #credential(exchange: Exchange, route: Route): Credential | undefined | Promise<Credential> {
    if (route.credential === undefined) return undefined;
    return this.#deps.broker.credential(route.credential, exchange, placeOf(route.url).origin);
  }

  #classify(result: Result, exchange: Exchange, route: Route, progress: Progress, protection: Protection): Verdict {
    if (exchange.gone) return TAKE;
    if (result instanceof Delivery && isRefusal(result.reply.status) && isOurs(result.credential)) {
      if (progress.replayed || this.#isHopeless(result.credential.token)) return TAKE;
      const challenge = headerValue(result.reply.headers, 'www-authenticate');
      const renewed = this.#deps.broker.reject(route.credential as string, result.credential, challenge);
      return renewed ? { next: 'replay' } : TAKE;
    }
    const wait = this.#waitBeforeRepeat(result, exchange, route, progress);
    if (wait === undefined || !protection.circuit.admits) return TAKE;
    if (protection.budget.withdraw()) return { next: 'repeat', wait };
    this.#deps.signals.emit('attempt.budget-spent', { requestId: exchange.id, destination: route.destination });
    return TAKE;
  }

  /** Milliseconds; undefined where the call must not, or needn't, be sent again. */
  #waitBeforeRepeat(result: Result, exchange: Exchange, route: Route, progress: Progress): number | undefined {
    const { clock, retry } = this.#deps;
    if (progress.retries + 1 >= retry.attempts || !isTemporary(result)) return undefined;
    const neverSent = result instanceof GatewayError && result.neverSent;
    const safe = neverSent || retry.unsafe || (exchange.call && route.upstream.safeToRepeat(exchange.call));
    const asked =
      result instanceof Delivery
        ? retryAfterMs(headerValue(result.reply.headers, 'retry-after'), clock.now())
        : undefined;
    if (!safe || (asked ?? 0) > LONGEST_WAIT_MS) return undefined;
    return Math.max(asked ?? 0, backOffMs(progress.retries, retry, clock.random));
  }

  async #prepare(verdict: Verdict, exchange: Exchange, progress: Progress, result: Result): Promise<void> {
    const fields = { requestId: exchange.id, traceId: traceIdOf(exchange), destination: exchange.route?.destination };
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
    if (result instanceof GatewayError) throw result;
    const { reply, credential } = result;
    if (!isOurs(credential) || !isRefusal(reply.status)) return reply;
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

/** What the table knows is a result; anything else is a fault of ours. */
function asFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  throw error;
}

/** What the caller sent itself is the caller's to renew (contract: with no credential of ours in play, the 401 passes). */
function isOurs(credential: Credential | undefined): credential is Credential {
  return credential !== undefined && credential.callers !== true;
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** A missed first byte isn't repeated: the caller has waited for minutes, and would again. */
function isTemporary(result: Result): boolean {
  if (result instanceof Delivery) return TEMPORARY.has(result.reply.status);
  const { code, neverSent } = result;
  return code === 'UPSTREAM_BROKE' || code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_TIMEOUT' && neverSent);
}

/** A caller's leaving says nothing about the upstream; neither does what we refused to send. */
function health(result: Result, exchange: Exchange): Health {
  if (exchange.gone) return 'neither';
  if (result instanceof Delivery) return SICK.has(result.reply.status) ? 'bad' : 'good';
  return result.code.startsWith('UPSTREAM_') && !result.ofCaller ? 'bad' : 'neither';
}

function describe(result: Result): string {
  return result instanceof Delivery ? String(result.reply.status) : result.code;
}
