import type { RouteTurn } from '../contracts/pools.js';
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
import type { Breaker, Breakers } from '../resilience/breakers.js';
import type { CallRules } from '../resilience/destinationSchema.js';
import { backOffMs, type RetryBudget } from '../resilience/retry.js';
import { headerValue, retryAfterMs } from '../wire/headers.js';
import { placeOf } from '../wire/paths.js';
import { peeked } from '../wire/peek.js';
import { traceIdOf } from './accessRecord.js';
import { discard } from './discard.js';
import type { PoolRoutes } from './poolRoutes.js';
import { attemptStep, endAttempt, tracedToken } from './traceSteps.js';
import {
  asFailure,
  Delivery,
  describe,
  health,
  isNeverSent,
  isOurs,
  isRefusal,
  isTemporary,
  judged,
  mayRepeat,
  type Result,
} from './verdicts.js';

/** What guards one destination against its own upstream. */
export interface Protection {
  readonly breakers: Breakers;
  readonly budget: RetryBudget;
  readonly rules: CallRules;
}

export interface ProxyClientDeps {
  readonly broker: AuthBroker;
  readonly clock: Clock;
  readonly signals: Signals;
  protection(destination: string): Protection;
  /** Absent where no destination has several URLs. */
  readonly pools?: PoolRoutes;
}

/** What becomes of a result; `at` is the route of that attempt, which is a member's where there is a pool. */
type Take<Taken> = (result: Result, at: Route) => Taken | Promise<Taken>;

/** What is shown to an upstream, and from when on the upstream's time counts. */
interface Shown {
  readonly credential: Credential | undefined;
  readonly at: number;
  readonly trace: HeaderLines | undefined;
}

/** What judges an attempt. */
interface Guard {
  readonly breaker: Breaker;
  readonly rules: CallRules;
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
      const again = good && protection.rules.own && isTemporary(result, exchange, protection.rules);
      return good && !again ? result.reply : this.#conclude(result, exchange, route, protection);
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
    const traced: Take<Taken> = (result, at) => {
      endAttempt(step, exchange, at, result instanceof Delivery ? result.reply : result);
      return take(result, at);
    };
    return this.#try(exchange, route, protection, traced, step);
  }

  #try<Taken>(
    exchange: Exchange,
    to: Route,
    { breakers, rules }: Protection,
    take: Take<Taken>,
    step?: TraceStep,
  ): Promise<Taken> {
    const { clock, pools } = this.#deps;
    const trace = exchange.trace?.onwards(step);
    const asked = clock.monotonic();
    let route = to;
    try {
      const guard = { breaker: breakers.of(exchange), rules };
      guard.breaker.assertAdmits();
      if (to.upstream.pool && pools) route = pools.choose(exchange, to);
      const credential = this.#credential(exchange, route);
      if (!(credential instanceof Promise)) {
        return this.#send(exchange, route, guard, { credential, at: asked, trace }, take);
      }
      return tracedToken(credential, exchange, route, step).then(
        (fetched) => {
          const at = clock.monotonic();
          exchange.costs.tokenMs += at - asked;
          return this.#send(exchange, route, guard, { credential: fetched, at, trace }, take);
        },
        (error) => take(asFailure(error), route),
      );
    } catch (error) {
      return Promise.resolve(asFailure(error)).then((failure) => take(failure, route));
    }
  }

  /** A closed circuit only counts; one that tries its upstream out wants the whole try in its hands. */
  #send<Taken>(exchange: Exchange, route: Route, guard: Guard, shown: Shown, take: Take<Taken>): Promise<Taken> {
    const { credential, at, trace } = shown;
    const { breaker, rules } = guard;
    const attempt = { number: exchange.costs.attempts, route, credential, trace };
    const judge = (result: Result) => {
      const ms = this.#deps.clock.monotonic() - at;
      exchange.costs.upstreamMs += ms;
      return judged(health(result, exchange, rules), result, turn, ms);
    };
    const answered = () => {
      const reply = route.upstream.send(exchange, attempt);
      return rules.own?.readBytes ? reply.then((head) => peeked(head, rules.own?.readBytes ?? 0)) : reply;
    };
    const delivered = (reply: Reply): Result => new Delivery(turn ? turn.take(reply) : reply, credential);
    const settle = (result: Result) => take(result, route);
    let turn: RouteTurn<Reply> | undefined;
    if (!breaker.closed) {
      const job = () => {
        turn = route.begin?.();
        return answered().then(delivered, asFailure);
      };
      return breaker.try(job, judge).then(settle, (error) => settle(asFailure(error)));
    }
    const learn = (result: Result) => {
      breaker.count(judge(result), isNeverSent(result));
      return settle(result);
    };
    turn = route.begin?.();
    return answered().then(
      (reply) => learn(delivered(reply)),
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
    const wait = this.#waitBeforeRepeat(result, exchange, progress, protection.rules);
    if (wait === undefined || !protection.breakers.of(exchange).admits) return TAKE;
    if (protection.budget.withdraw()) return { next: 'repeat', wait };
    this.#deps.signals.emit('attempt.budget-spent', { requestId: exchange.id, destination: route.destination });
    return TAKE;
  }

  /** Milliseconds; undefined where the call must not, or needn't, be sent again. */
  #waitBeforeRepeat(result: Result, exchange: Exchange, progress: Progress, rules: CallRules): number | undefined {
    const { clock, pools } = this.#deps;
    const { retry } = rules;
    if (progress.retries + 1 >= retry.attempts || !isTemporary(result, exchange, rules)) return undefined;
    if (!mayRepeat(exchange, result, rules)) return undefined;
    // Nobody has to wait for a server that isn't the one that failed.
    if (pools?.hasOther(exchange) && health(result, exchange, rules) === 'bad') return 0;
    const asked =
      result instanceof Delivery
        ? retryAfterMs(headerValue(result.reply.headers, 'retry-after'), clock.now())
        : undefined;
    if ((asked ?? 0) > LONGEST_WAIT_MS) return undefined;
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
