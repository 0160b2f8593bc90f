import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../contracts.js';
import { systemClock } from '../../../core/async.js';
import type { Caller } from './ask.js';
import { entryOf } from './entryOf.js';
import { Faults } from './faults.js';
import { Ledger } from './ledger.js';
import { SEED_CATALOGUE } from './seedCatalogue.js';
import { SEED_GOVERNANCE } from './seedGovernance.js';
import { SEED_OPERATIONS } from './seedOperations.js';
import { seedApps, seedSpaces, seedUsers } from './seedPeople.js';
import type { Tokens } from './tokens.js';
import type { MockApp, MockClient, MockQlikOptions, MockSpace, MockUser } from './types.js';

/** A record as it is kept: changed in place. */
export interface Row {
  id: string;
  [name: string]: unknown;
}

export interface ClientState extends MockClient {
  /** Epoch milliseconds: a registered client that no administrator has approved by then is gone. */
  readonly forgottenAt?: number;
  approved: boolean;
}

/** When all that the seed holds was made. */
const BORN = '2026-01-05T08:00:00.000Z';

/** All that a tenant knows. */
export class Tenant {
  readonly id: string;
  readonly options: MockQlikOptions;
  readonly clock: Pick<Clock, 'now'>;
  readonly tokens: Tokens;
  readonly ledger = new Ledger();
  readonly faults: Faults;
  readonly clients = new Map<string, ClientState>();
  readonly apps = new Map<string, MockApp>();
  /** Set when it listens. */
  origin = '';
  /** Set by the engine. */
  closeSockets: (code: number, reason: string) => void = () => {};
  readonly #rows = new Map<string, Map<string, Row>>();

  constructor(options: MockQlikOptions, tokens: Tokens) {
    this.options = options;
    this.id = options.tenantId ?? 'mock-tenant';
    this.clock = options.clock ?? systemClock;
    this.tokens = tokens;
    this.faults = new Faults(
      () => tokens.drop(),
      (code, reason) => this.closeSockets(code, reason),
    );
    for (const client of options.clients ?? [])
      this.clients.set(client.id, { ...client, approved: client.approved ?? true });
    for (const user of options.users ?? seedUsers()) this.addUser(user);
    for (const space of options.spaces ?? seedSpaces()) this.#addSpace(space);
    for (const app of options.apps ?? seedApps()) this.addApp(app);
    const records = { ...SEED_CATALOGUE, ...SEED_OPERATIONS, ...SEED_GOVERNANCE, ...options.records };
    for (const [resource, rows] of Object.entries(records))
      for (const row of rows) this.rows(resource).set(row.id, structuredClone({ tenantId: this.id, ...row }));
  }

  get now(): string {
    return new Date(this.clock.now()).toISOString();
  }

  /** Of a resource, by id; changed in place. */
  rows(resource: string): Map<string, Row> {
    return entryOf(this.#rows, resource, () => new Map());
  }

  row(resource: string, id: string): Row | undefined {
    return this.rows(resource).get(id);
  }

  addUser({ id, subject, name, email, roles = [], groups = [], status = 'active' }: MockUser): Row {
    const row = {
      id,
      tenantId: this.id,
      subject,
      name,
      ...(email === undefined ? {} : { email }),
      status,
      assignedRoles: roles.map((role) => ({ id: `role-${role}`, name: role, type: 'default', level: 'admin' })),
      assignedGroups: groups.map((group) => ({ id: `group-${group}`, name: group, providerType: 'idp' })),
      createdAt: BORN,
      lastUpdatedAt: BORN,
    };
    this.rows('users').set(id, row);
    return row;
  }

  addApp(app: MockApp): void {
    this.apps.set(app.id, app);
    const { id, name, description = '', ownerId, spaceId } = app;
    const dates = { createdDate: BORN, modifiedDate: BORN, lastReloadTime: BORN };
    this.rows('apps').set(id, {
      id,
      name,
      description,
      ownerId,
      spaceId,
      published: false,
      usage: 'ANALYTICS',
      ...dates,
    });
  }

  #addSpace({ id, name, type, ownerId, description = '', members = {} }: MockSpace): void {
    const stamps = { tenantId: this.id, createdAt: BORN, createdBy: ownerId, updatedAt: BORN };
    this.rows('spaces').set(id, { id, name, type, ownerId, description, ...stamps });
    for (const [assigneeId, roles] of Object.entries(members)) {
      const assignment = `${id}.${assigneeId}`;
      const row = { id: assignment, spaceId: id, assigneeId, type: 'user', roles: [...roles], ...stamps };
      this.rows('assignments').set(assignment, row);
    }
  }

  client(id: string): ClientState | undefined {
    const client = this.clients.get(id);
    const { approved = false, forgottenAt = Number.POSITIVE_INFINITY } = client ?? {};
    return approved || forgottenAt > this.clock.now() ? client : undefined;
  }

  user(field: 'id' | 'subject', value: string): Row | undefined {
    return field === 'id'
      ? this.row('users', value)
      : [...this.rows('users').values()].find((row) => row.subject === value);
  }

  rolesOf(user: Row): string[] {
    return (user.assignedRoles as { readonly name: string }[]).map(({ name }) => name);
  }

  /** The robot as which a client acts that asks for a token of its own; it has an administrator's rights. */
  botOf(clientId: string): Row {
    const subject = `qlikbot\\${clientId}`;
    const roles = ['TenantAdmin'];
    return this.user('subject', subject) ?? this.addUser({ id: `bot-${randomUUID()}`, subject, name: subject, roles });
  }

  spaceRoles(userId: string, spaceId: unknown): string[] {
    if (typeof spaceId !== 'string') return [];
    if (this.row('spaces', spaceId)?.ownerId === userId) return ['owner'];
    const mine = [...this.rows('assignments').values()].filter(
      (row) => row.spaceId === spaceId && row.assigneeId === userId,
    );
    return mine.flatMap((row) => row.roles as string[]);
  }

  /** A user sees their own things, and those in spaces where they are; an administrator sees all. */
  sees(caller: Pick<Caller, 'userId' | 'roles'>, row: Row): boolean {
    if (caller.roles.includes('TenantAdmin') || row.ownerId === caller.userId) return true;
    return this.spaceRoles(caller.userId, row.spaceId).length > 0;
  }

  edits(caller: Pick<Caller, 'userId' | 'roles'>, row: Row): boolean {
    if (caller.roles.includes('TenantAdmin') || row.ownerId === caller.userId) return true;
    const editing = ['owner', 'contributor', 'facilitator', 'producer', 'operator', 'publisher'];
    return this.spaceRoles(caller.userId, row.spaceId).some((role) => editing.includes(role));
  }
}
