import type {
  AuthBroker,
  AuthToken,
  Clock,
  Credential,
  Exchange,
  Inbound,
  McpCall,
  Signals,
} from '../../src/contracts.js';

/** A clock that stands still until it is told to go on; sleeping is instant and remembered. */
export class FakeClock implements Clock {
  time = Date.parse('2026-11-21T00:00:00Z');
  chance = 0.5;
  readonly slept: number[] = [];

  now = () => this.time;
  monotonic = () => this.time;
  random = () => this.chance;

  sleep = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.time += ms;
  };
}

/** Signals kept in a list. */
export class FakeSignals implements Signals {
  readonly emitted: { name: string; fields: Readonly<Record<string, unknown>> }[] = [];

  enabled = () => true;

  emit = (name: string, fields: Readonly<Record<string, unknown>> = {}) => {
    this.emitted.push({ name, fields });
  };

  named(name: string): Readonly<Record<string, unknown>>[] {
    return this.emitted.filter((signal) => signal.name === name).map(({ fields }) => fields);
  }
}

/** A request as a door would hand it over. */
export function fakeInbound(target: string, headers: Record<string, string> = {}, method = 'POST', body = ''): Inbound {
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    method,
    target,
    headerLines: Object.entries(headers).flat(),
    header: (name) => lower[name],
    remoteAddress: '127.0.0.1',
    body: async (_limit, use) => use(Buffer.from(body)),
    raw: {} as Inbound['raw'],
  };
}

export function fakeExchange(request: Inbound, more: Partial<Exchange> = {}): Exchange {
  return {
    id: '00000000-0000-4000-8000-000000000000',
    door: 'mcp',
    request,
    gone: false,
    signal: new AbortController().signal,
    held: undefined,
    startedAt: 0,
    costs: { attempts: 0, tokenMs: 0, upstreamMs: 0, sentBytes: 0 },
    ...more,
  };
}

export function fakeCall(method: string, name?: string): McpCall {
  return {
    kind: 'request',
    era: 'legacy',
    id: 1,
    method,
    body: Buffer.from('{}'),
    ...(name === undefined ? {} : { name }),
  };
}

/** A broker that hands out `token-1`, `token-2` …: a new one after each refusal. */
export class FakeBroker implements AuthBroker {
  issued = 0;
  renewable = true;
  #current: Credential | undefined;

  credential(): Credential {
    this.#current ??= this.#issue();
    return this.#current;
  }

  reject(_name: string, credential: Credential): boolean {
    if (this.#current === credential && this.renewable) this.#current = undefined;
    return this.renewable;
  }

  list() {
    return [];
  }

  drop(): boolean {
    return false;
  }

  async close(): Promise<void> {}

  #issue(): Credential {
    this.issued += 1;
    const token: AuthToken = { value: `token-${this.issued}`, obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY };
    return { headers: ['Authorization', `Bearer ${token.value}`], token };
  }
}
