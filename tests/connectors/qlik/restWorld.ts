import { MemoryAnswers } from '../../../src/connectors/qlik/answerCache.js';
import { QlikRest } from '../../../src/connectors/qlik/rest.js';
import type { RestSettings } from '../../../src/connectors/qlik/restTenant.js';
import { createRest } from '../../../src/wire/rest.js';
import { FakeClock, FakeSignals } from '../../helpers/fakes.js';
import { type Answers, startTinyTenant, type TinyTenant } from './tinyTenant.js';

/** Tenants and clients of one test, closed behind it. */
export class RestWorld {
  readonly clock = new FakeClock();
  readonly signals = new FakeSignals();
  readonly #closing: (() => unknown)[] = [];

  async tenant(answers: Answers): Promise<TinyTenant> {
    const tenant = await startTinyTenant(answers);
    this.#closing.push(() => tenant.close());
    return tenant;
  }

  client(origin: string, more: Partial<RestSettings> = {}): QlikRest {
    const settings = {
      url: new URL(origin),
      apiVersion: '2026-08',
      cache: new MemoryAnswers(this.clock),
      lives: { metadata: 0, data: 0 },
      maxWaitMs: 15_000,
      maxBytes: 100_000,
      deadlineMs: 10_000,
      ...more,
    };
    return new QlikRest(settings, this.deps());
  }

  deps() {
    const rest = createRest();
    this.#closing.push(rest.close);
    return { name: 'qlik', rest, clock: this.clock, signals: this.signals };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0)) await close();
  }
}
