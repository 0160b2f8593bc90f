import { createHash } from 'node:crypto';
import type { ApiKey, AuditEntry, AuditLog, AuditQuery, KeyRing, NewKey } from '../../src/contracts/callers.js';
import type { Principal } from '../../src/contracts/principal.js';
import { globs } from '../../src/core/glob.js';
import type { AdminDeps } from '../../src/edge/admin.js';
import { createAdminApp, listenAdmin } from '../../src/edge/app.js';
import { CallFeed } from '../../src/gateway/callFeed.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';

/** Keys in memory. */
export class FakeKeyRing implements KeyRing {
  readonly records = new Map<string, ApiKey>();
  readonly overlaps: number[] = [];
  readonly #clock: FakeClock;
  #count = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  list = (): ApiKey[] => [...this.records.values()];
  find = (hash: string) => this.list().find((record) => record.hash === hash);

  async create({ expiresInMs, roles = [], ...rest }: NewKey) {
    this.#count += 1;
    const key = `secret-text-${this.#count}`;
    const createdAt = this.#clock.now();
    const record: ApiKey = {
      ...rest,
      id: `k${this.#count}`,
      roles,
      hash: createHash('sha256').update(key).digest('hex'),
      createdAt,
      ...(expiresInMs === undefined ? {} : { expiresAt: createdAt + expiresInMs }),
    };
    this.records.set(record.id, record);
    return { key, record };
  }

  async rotate(id: string, overlapMs: number) {
    this.overlaps.push(overlapMs);
    const { name, roles, tenant, destinations } = this.records.get(id) as ApiKey;
    return this.create({ name, roles, ...(tenant ? { tenant } : {}), ...(destinations ? { destinations } : {}) });
  }

  async revoke(id: string): Promise<boolean> {
    const record = this.records.get(id);
    if (!record || record.revokedAt !== undefined) return false;
    this.records.set(id, { ...record, revokedAt: this.#clock.now() });
    return true;
  }
}

type Line = AuditEntry & { readonly sequence: number; readonly hash: string };

/** An audit log in memory that trusts its caller's filter only as far as it is told. */
export class FakeAudit implements AuditLog {
  readonly lines: Line[] = [];
  careless = false;

  append = (entry: AuditEntry) => {
    this.lines.push({ ...entry, sequence: this.lines.length + 1, hash: `h${this.lines.length + 1}` });
  };

  async query({ tenant, after = 0, limit, action }: AuditQuery): Promise<Line[]> {
    return this.lines
      .filter((line) => line.sequence > after && (action === undefined || line.action === action))
      .filter((line) => this.careless || tenant === undefined || line.tenant === tenant)
      .slice(0, limit);
  }

  verify = async () => ({ lines: this.lines.length });
  close = async () => {};
}

export interface Who extends Partial<Principal> {
  readonly may?: readonly string[];
}

const entry: AuditEntry = {
  at: 1,
  requestId: 'r',
  action: 'tools/call',
  subject: 'keys:a',
  tenant: undefined,
  address: '127.0.0.1',
  destination: 'qlik',
  method: 'tools/call',
  name: 'qlik_search',
  argumentNames: ['query'],
  outcome: 'allowed',
  status: 200,
  code: undefined,
};

const TOOL = { name: 'search', version: '1.0.0', category: 'catalog', effect: 'read', enabled: true } as const;

export const line = (more: Partial<AuditEntry> = {}): AuditEntry => ({ ...entry, ...more });

/** A management API on a socket of its own. `callers` maps a token to who shows it. */
export async function adminWorld(callers: Readonly<Record<string, Who>>, more: Partial<AdminDeps> = {}) {
  const clock = new FakeClock();
  const signals = new FakeSignals();
  const keys = new FakeKeyRing(clock);
  const audit = new FakeAudit();
  const done: string[] = [];
  const principalOf = (token: string): Principal | undefined => {
    const who = Object.hasOwn(callers, token) ? callers[token] : undefined;
    return who && { subject: `test:${token}`, roles: [], claims: { may: who.may ?? [] }, ...who };
  };
  const deps: AdminDeps = {
    clock,
    signals,
    version: '1.2.3',
    identify: ({ request }) =>
      principalOf((request.header('authorization') ?? '').replace(/^Bearer /, '')) ??
      principalOf(request.header('x-api-key') ?? ''),
    permits: ({ claims }, permission) => globs(claims.may as string[])(permission),
    challenge: () => ['www-authenticate', 'Bearer realm="test"'],
    keys,
    audit,
    destinations: () => [
      { name: 'qlik', kind: 'http', strategy: 'PROXY', url: 'https://q.example.com/mcp', breaker: 'open' },
      { name: 'red-files', kind: 'http', strategy: 'PROXY', tenant: 'red', breaker: 'closed' },
    ],
    resetBreaker: (name) => void done.push(`breaker ${name}`),
    tools: (name) => (name === 'qlik' ? [TOOL] : undefined),
    turnTools: ({ destination, choice, enabled }) => {
      if (!('tool' in choice) || choice.tool !== TOOL.name) return undefined;
      done.push(`turn ${destination} ${choice.tool} ${enabled}`);
      return [{ ...TOOL, enabled }];
    },
    openBreaker: (name, forMs) => void done.push(`open ${name} ${forMs}`),
    sessions: () => [
      { id: 's1', destination: 'qlik', subject: 'test:a', tenant: 'red', since: 1, lastUsed: 2 },
      { id: 's2', destination: 'qlik', subject: 'test:b', tenant: 'blue', since: 1, lastUsed: 2 },
    ],
    endSession: (id) => done.push(`session ${id}`) > 0,
    tokens: () => [
      { name: 'jobs', obtainedAt: 1, expiresAt: 2 },
      { name: 'fixed', obtainedAt: 1, expiresAt: Number.POSITIVE_INFINITY },
      { name: 'jobs', subject: 'test:a', tenant: 'red', obtainedAt: 1, expiresAt: 3 },
    ],
    dropToken: (name, tenant) => done.push(`token ${name} ${tenant}`),
    children: () => [
      { destination: 'qlik', pid: 11, since: 1, subject: 'test:a', tenant: 'red' },
      { destination: 'qlik', pid: 12, since: 1, subject: 'test:b', tenant: 'blue' },
    ],
    calls: new CallFeed(clock),
    ui: true,
    quotas: () => [
      { id: 'q1', limit: 'perCaller', allowed: '600/m', subject: 'test:a', tenant: 'red', drawn: 3, remaining: 597 },
      { id: 'q2', limit: 'perCaller', allowed: '600/m', subject: 'test:b', tenant: 'blue', drawn: 1, remaining: 599 },
    ],
    resetQuota: (id) => void done.push(`quota ${id}`),
    cache: {
      stats: () => ({ entries: 1, bytes: 2, hits: 3, misses: 4 }),
      clear: () => done.push('cache'),
    },
    ...more,
  };
  const { url, close } = await listenAdmin(await createAdminApp(deps), { host: '127.0.0.1', port: 0 });
  const call = async (method: string, path: string, token?: string, body?: unknown, headers = {}) => {
    const init: RequestInit = { method, redirect: 'manual' };
    const sent: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    if (body !== undefined) {
      sent['content-type'] = 'application/json';
      init.body = typeof body === 'string' ? body : JSON.stringify(body);
    }
    const response = await fetch(url + path, { ...init, headers: { ...sent, ...headers } });
    const text = await response.text();
    const json = response.headers.get('content-type') === 'application/json' && text !== '';
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined };
  };
  return { url, close, call, keys, audit, signals, clock, done };
}

export type AdminWorld = Awaited<ReturnType<typeof adminWorld>>;
