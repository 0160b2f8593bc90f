import type { AuthBroker, AuthToken, CredentialSource, Exchange, Route } from '../../src/contracts.js';
import { CredentialError, GatewayError } from '../../src/core/errors.js';
import { createAuthBroker } from '../../src/credentials/authBroker.js';
import { presentBearer } from '../../src/credentials/bearer.js';
import { createMemoryStore } from '../../src/stores/memory.js';
import { FakeSignals, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { SteppedClock } from './steppedClock.js';
import { rejection } from './world.js';

export const ORIGIN = 'https://mcp.example.com';
export const HOUR = 3_600_000;

/** A provider in the test's hands: it issues `token-1`, `token-2` …, each for `lifeMs`. */
export class FakeSource implements CredentialSource {
  scope: 'gateway' | 'caller' = 'gateway';
  renewable = true;
  readonly origins = [ORIGIN];
  readonly present = presentBearer;
  asked = 0;
  lifeMs = HOUR;
  trouble: Error | undefined;
  /** While set, answers wait for it. */
  gate: Promise<void> | undefined;

  constructor(readonly clock: SteppedClock) {}

  async acquire(): Promise<AuthToken> {
    const number = ++this.asked;
    await this.gate;
    if (this.trouble) throw this.trouble;
    const obtainedAt = this.clock.now();
    return { value: `token-${number}`, obtainedAt, expiresAt: obtainedAt + this.lifeMs };
  }
}

/** A broker with one credential, `jobs`, at a provider in the test's hands. */
export function world() {
  const clock = new SteppedClock();
  const source = new FakeSource(clock);
  const signals = new FakeSignals();
  const store = createMemoryStore();
  const broker = createAuthBroker({ sources: new Map([['jobs', source]]), store, clock, signals });
  return { clock, source, signals, store, broker };
}

export function exchangeTo(destination: string, more: Partial<Exchange> = {}): Exchange {
  return fakeExchange(fakeInbound('/mcp'), { route: { destination, url: new URL(ORIGIN) } as Route, ...more });
}

export const exchange = exchangeTo('qlik');

export async function ask(broker: AuthBroker, by = exchange): Promise<string> {
  return (await broker.credential('jobs', by, ORIGIN)).token.value;
}

export async function refusal(broker: AuthBroker, by = exchange): Promise<GatewayError> {
  const error = await rejection(Promise.resolve(broker.credential('jobs', by, ORIGIN)));
  expect(error).toBeInstanceOf(GatewayError);
  return error as GatewayError;
}

/** What a provider's failure looks like to the broker. */
export const down = (retryAfterMs?: number) =>
  new CredentialError('the provider is down', 'Wait for it.', { retryAfterMs });
