import type { Admission, Excess, Quotas } from '../contracts/callers.js';
import type { Exchange, Inbound, Outcome, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { nothingHeld, type Refusal, SHED } from '../policy/quotas.js';
import { callerLeft } from '../wire/explain.js';

/** The caller's address, from the socket's and what trusted proxies say. */
type ClientAddress = (socket: string, forwardedFor: string | undefined) => string;

function addressOf(request: Inbound, clientAddress: ClientAddress): string {
  return clientAddress(request.remoteAddress, request.header('x-forwarded-for'));
}

/** Refuses an address that calls too often, and a share of all calls while the process can't keep up: before any proof is looked at. */
export function createLimitAddress(quotas: Quotas, clientAddress: ClientAddress): Stage {
  return function limitAddress(exchange, next) {
    const excess = quotas.admitAddress(addressOf(exchange.request, clientAddress));
    if (excess === undefined) return next(exchange);
    if (!(excess instanceof Promise)) throw refused(excess);
    return excess.then((later) => {
      if (later) throw refused(later);
      return next(exchange);
    });
  };
}

/** An exchange's places among the concurrent calls, and what else is to be done when it is over. */
interface Holding {
  readonly admission: Admission;
  readonly ended: Exchange['ended'];
}

/** Draws from the limits of caller, tenant, tool and destination. Places are given back when the exchange is over, however it ends. */
export function createLimitCaller(quotas: Quotas): Stage {
  const holdings = new WeakMap<Exchange, Holding>();
  // One function for all exchanges: what is an exchange's own stands in the map.
  function releaseAndEnd(exchange: Exchange, outcome: Outcome, status: number): void {
    const holding = holdings.get(exchange);
    holdings.delete(exchange);
    try {
      holding?.admission.release();
    } finally {
      holding?.ended?.(exchange, outcome, status);
    }
  }
  function pass(exchange: Exchange, admission: Admission): void {
    if (admission.headers.length > 0) exchange.answerLines = admission.headers;
    if (admission.release === nothingHeld) return;
    // The door has ended the exchange while the store was asked: nobody would give the places back.
    if (exchange.gone || exchange.ended === undefined) {
      admission.release();
      throw callerLeft();
    }
    holdings.set(exchange, { admission, ended: exchange.ended });
    exchange.ended = releaseAndEnd;
  }
  return function limitCaller(exchange, next) {
    const answer = quotas.admitCall(exchange);
    if (!(answer instanceof Promise)) {
      pass(exchange, admitted(answer));
      return next(exchange);
    }
    return answer.then((later) => {
      pass(exchange, admitted(later));
      return next(exchange);
    });
  };
}

/** @throws GatewayError QUOTA_EXCEEDED */
function admitted(answer: Excess | Admission): Admission {
  if ('limit' in answer) throw refused(answer);
  return answer;
}

function refused(excess: Excess): GatewayError {
  const details = {
    limit: excess.limit,
    retryAfter: Math.max(1, Math.ceil(excess.retryAfterMs / 1000)),
    headers: (excess as Partial<Refusal>).headers ?? [],
  };
  if (excess.limit === SHED) return new GatewayError('OVERLOADED', 'the process is overloaded', details);
  return new GatewayError('QUOTA_EXCEEDED', `the limit ${excess.limit} is exceeded`, details);
}
