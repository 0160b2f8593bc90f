import type { ToolContext } from '../../../src/contracts/tools.js';
import { type MockApp, type MockQlik, type MockUser, startMockQlik } from '../../../src/testing.js';
import { bearer, contextOf, EngineWorld } from './engineWorld.js';

const TENANTS = ['red', 'green', 'blue'];
const USERS = 50;
const STEPS = 8;
/** The same in every tenant. */
const APP = '15014710-0000-4000-8000-000000000001';

/** A sequence that looks random, and is the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What only this user of this tenant may see a sum of. */
const secret = (tenant: number, user: number) => 1000 ** (tenant + 1) + user * 7 + 1;
const total = (tenant: number) =>
  Array.from({ length: USERS }, (_, user) => secret(tenant, user)).reduce((a, b) => a + b);

function appOf(tenant: number): MockApp {
  const rows = Array.from({ length: USERS }, (_, user) => ({ Who: `user ${user}`, Secret: secret(tenant, user) }));
  return { id: APP, name: 'Secrets', ownerId: 'u0', spaceId: 'space-sales', tables: { Secrets: rows } };
}

function usersOf(tenant: string): MockUser[] {
  return Array.from({ length: USERS }, (_, user) => ({
    id: `u${user}`,
    subject: `${tenant}|${user}`,
    name: `User ${user}`,
    // Those who administer see every app: so does each of them here.
    roles: ['TenantAdmin'],
  }));
}

/** One user of one tenant, at random: every answer is checked against what is theirs. */
class Person {
  readonly #world: EngineWorld;
  readonly #context: ToolContext;
  readonly #tenant: number;
  readonly #user: number;
  readonly #random: () => number;
  #handle: string | undefined;
  checks = 0;

  constructor(world: EngineWorld, context: ToolContext, tenant: number, user: number) {
    this.#world = world;
    this.#context = context;
    this.#tenant = tenant;
    this.#user = user;
    this.#random = numbers(tenant * 1000 + user);
  }

  async walk(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      for (let wait = this.#random() * 4; wait > 1; wait--) await new Promise((resolve) => setImmediate(resolve));
      const choice = this.#random();
      if (choice < 0.3) await this.#whole();
      else if (choice < 0.9) await this.#own();
      else await this.#leave();
      this.checks += 1;
    }
  }

  async #whole(): Promise<void> {
    expect(await this.#sum({ appId: APP })).toBe(total(this.#tenant));
  }

  /** Selects itself where it has not, or was told that this is lost. */
  async #own(): Promise<void> {
    if (this.#handle === undefined) await this.#select({ appId: APP });
    const sum = await this.#sum({ handle: this.#handle }).catch(async (error: Error) => {
      expect(error.message).toContain('its selections with it');
      await this.#select({ handle: this.#handle });
      return this.#sum({ handle: this.#handle });
    });
    expect(sum).toBe(secret(this.#tenant, this.#user));
  }

  async #select(target: object): Promise<void> {
    const selections = [{ field: 'Who', values: [`user ${this.#user}`] }];
    const select = () => this.#world.call('qlik_select_values', { ...target, selections }, this.#context);
    const made = await select().catch((error: Error) => {
      expect(error.message).toContain('its selections with it');
      return select();
    });
    expect(made.selections).toEqual([{ field: 'Who', count: 1, total: USERS, values: [`user ${this.#user}`] }]);
    this.#handle ??= String(made.handle);
  }

  async #leave(): Promise<void> {
    if (this.#handle === undefined) return;
    await this.#world.call('qlik_close_app', { handle: this.#handle }, this.#context);
    this.#handle = undefined;
  }

  async #sum(target: object): Promise<unknown> {
    const asked = { ...target, expression: 'Sum(Secret)' };
    return (await this.#world.call('qlik_evaluate_expression', asked, this.#context)).value;
  }

  get handle(): string | undefined {
    return this.#handle;
  }
}

describe(`${USERS} users × ${TENANTS.length} tenants in random interleaving`, () => {
  let mocks: MockQlik[];
  let worlds: EngineWorld[];
  let tokens: string[][];
  let people: Person[][];

  beforeAll(async () => {
    mocks = await Promise.all(
      TENANTS.map((tenant, at) => startMockQlik({ tenantId: tenant, users: usersOf(tenant), apps: [appOf(at)] })),
    );
    worlds = mocks.map((mock) => new EngineWorld(new URL(mock.origin)));
    tokens = await Promise.all(
      mocks.map((mock) => Promise.all(Array.from({ length: USERS }, (_, user) => mock.mint(`u${user}`)))),
    );
    people = worlds.map((world, tenant) =>
      Array.from({ length: USERS }, (_, user) => new Person(world, contextOfUser(tenant, user), tenant, user)),
    );
  });

  afterAll(async () => {
    for (const world of worlds) await world.engine.close();
    for (const mock of mocks) await mock.close();
  });

  function contextOfUser(tenant: number, user: number): ToolContext {
    // The subject is the same in all tenants: only the tenant tells them apart.
    return contextOf(`idp|${user}`, {
      tenant: TENANTS[tenant] ?? '',
      credential: bearer(tokens[tenant]?.[user] ?? ''),
    });
  }

  it('no token, body, selection or socket crosses, with sockets that are lost in between', async () => {
    const walks = people.flat().map((person) => person.walk());
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const mock of mocks) mock.faults.closeSockets(4001, 'lost');
    const ends = await Promise.allSettled(walks);
    expect(ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))).toEqual([]);
    expect(people.flat().map(({ checks }) => checks)).toEqual(Array(USERS * TENANTS.length).fill(STEPS));

    for (const [tenant, mock] of mocks.entries()) {
      const owners = new Map(tokens[tenant]?.map((token, user) => [token, `${TENANTS[tenant]}|${user}`]));
      const sockets = mock.ledger.filter(({ kind }) => kind === 'socket');
      // A token goes to its own tenant, for its own user.
      expect(sockets.filter(({ bearer: shown = '', who }) => owners.get(shown) !== who)).toEqual([]);
      expect(sockets.length).toBeGreaterThan(USERS);
      // No identity is used twice.
      expect(new Set(sockets.map(({ path }) => path)).size).toBe(sockets.length);
      // No socket carries another's calls, nor a selection of another's value.
      const holders = new Map(sockets.map(({ socket, who }) => [socket, who]));
      const frames = mock.ledger.filter(({ kind }) => kind === 'frame');
      expect(frames.filter(({ socket, who }) => holders.get(socket) !== who)).toEqual([]);
      const selects = frames.filter(({ method }) => method === 'SelectListObjectValues');
      expect(selects.length).toBeGreaterThan(USERS / 2);
      expect(selects.filter(({ who, body }) => `${TENANTS[tenant]}|${(body as number[][])[1]?.[0]}` !== who)).toEqual(
        [],
      );
    }
  }, 60_000);

  it("a handle of anybody's is unknown to everybody else", async () => {
    const handles = people.flatMap((own, tenant) =>
      own.flatMap(({ handle }, user) => (handle === undefined ? [] : [{ handle, tenant, user }])),
    );
    expect(handles.length).toBeGreaterThan(USERS);
    const random = numbers(42);
    const tries = Array.from({ length: 300 }, () => {
      const { handle, tenant, user } = handles[Math.floor(random() * handles.length)] ?? {
        handle: '',
        tenant: 0,
        user: 0,
      };
      const other = (user + 1 + Math.floor(random() * (USERS - 1))) % USERS;
      return worlds[tenant]?.call('qlik_get_current_selections', { handle }, contextOfUser(tenant, other)).then(
        () => 'served',
        (error: Error) => error.message.slice(0, 14),
      );
    });
    expect(new Set(await Promise.all(tries))).toEqual(new Set(['Unknown handle']));
    const elsewhere = handles.slice(0, 50).map(({ handle, tenant, user }) => {
      const there = (tenant + 1) % TENANTS.length;
      return worlds[there]?.call('qlik_get_current_selections', { handle }, contextOfUser(there, user)).then(
        () => 'served',
        (error: Error) => error.message.slice(0, 14),
      );
    });
    expect(new Set(await Promise.all(elsewhere))).toEqual(new Set(['Unknown handle']));
  });

  it('would notice: what is checked here differs for every two of them', () => {
    const all = people.flatMap((own, tenant) => own.map((_, user) => secret(tenant, user)));
    expect(new Set(all).size).toBe(all.length);
    expect(new Set(TENANTS.map((_, tenant) => total(tenant))).size).toBe(TENANTS.length);
  });
});
