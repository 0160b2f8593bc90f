import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Exchange, Handler, Reply } from '../../src/contracts.js';
import { headerValue } from '../../src/wire/headers.js';
import { sequence } from '../helpers/sequence.js';
import { type Expected, Model, ownerOf, type Plan } from './isolationModel.js';
import {
  bodyOf,
  type Caller,
  CHANGED,
  DESTINATIONS,
  exchangeOf,
  IsolationWorld,
  type Said,
  TOOLS,
} from './isolationWorld.js';

const CALLS = 100_000;
const IN_FLIGHT = 40;
const SEED = Number(process.env.ISOLATION_SEED ?? randomInt(2 ** 31));

const METHODS = ['tools/call', 'tools/call', 'tools/call', 'tools/list', 'resources/read', 'resources/read'] as const;
const URIS = ['public:/1', 'public:/2', 'private:/1', 'private:/2', 'none:/1'];
/** Mostly what nobody is refused: a batch is, for any of its calls. */
const BATCHED = ['read_a', 'read_a', 'read_a', 'read_a', 'read_b', ...TOOLS];
/** What all may see is wanted more often. */
const WANTED = [...DESTINATIONS, 'common', 'common', 'other', 'other', 'personal'];
/** How far the clock goes on from one call to the next. Milliseconds. */
const STEPS = [0, 0, 0, 10, 10, 50];

/** Something between the callers and the door that mixes them up: the model has to notice. */
type Mixer = (door: Handler, run: Run) => Handler;

interface Answer {
  readonly id?: string;
  readonly result?: { readonly said: Said; readonly tools?: readonly { readonly name: string }[] };
  readonly error?: { readonly message: string; readonly data: { readonly code: string } };
}

interface Session {
  readonly id: string;
  readonly destination: string;
  readonly caller: Caller;
}

/** A call that was made, whose it counts as, and whether it was refused. */
interface Made {
  readonly plan: Plan;
  readonly owner: string | undefined;
  readonly refused: boolean;
}

/** Callers at random, several at once, each compared with what the model says it must get. */
class Run {
  readonly tally = new Map<string, number>();
  /** What the audit log must hold: outcomes by who, where and why, and whose each request was. */
  readonly outcomes = new Map<string, number>();
  readonly plans = new Map<string, Made>();
  readonly world: IsolationWorld;
  readonly #model: Model;
  readonly #random: () => number;
  readonly #door: Handler;
  readonly #sessions: Session[] = [];
  /** The newest version of each destination's lists that a caller was told of. */
  readonly #changed = new Map<string, number>();
  #made = 0;
  #failure: Error | undefined;

  constructor(world: IsolationWorld, random: () => number, mix: Mixer = (door) => door) {
    this.world = world;
    this.#model = new Model(world.clock);
    this.#random = random;
    this.#door = mix((exchange) => world.door(exchange), this);
  }

  /** Rejects with the first difference. */
  async calls(count: number): Promise<void> {
    const until = this.#made + count;
    const one = async () => {
      while (this.#made < until && !this.#failure) {
        this.world.clock.step(this.#pick(STEPS));
        const plan = this.#plan();
        await this.#call(plan).catch((error: unknown) => {
          this.#failure ??= new Error(`seed ${SEED}, call ${JSON.stringify({ ...plan, caller: plan.caller.name })}`, {
            cause: error,
          });
        });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
    if (this.#failure) throw this.#failure;
  }

  /** The same configuration anew, while nothing is under way: limits and what is kept live on. One key has ended meanwhile. */
  async reload(): Promise<void> {
    await this.world.reload();
    await this.world.revoke(this.#pick(this.world.callers));
  }

  #plan(): Plan {
    this.#made += 1;
    const caller = this.#pick(this.world.callers);
    const id = `${caller.name}.${this.#made}`;
    const chance = this.#random();
    const forged = chance > 0.98;
    const destination = chance < 0.02 ? 'nowhere' : this.#pick(WANTED);
    if (chance < 0.06)
      return { id, caller, forged, destination, method: 'initialize', name: '', modern: false, session: undefined };
    const session = this.#session();
    if (session && chance < 0.08) return this.#ending(caller, session);
    if (chance < 0.19)
      return this.#unusual(chance < 0.11 ? 'stream' : 'batch', { id, caller, forged, destination }, session);
    const method = this.#pick(METHODS);
    const name = method === 'tools/call' ? this.#pick(TOOLS) : method === 'resources/read' ? this.#pick(URIS) : '';
    if (method !== 'tools/call' || chance < 0.6 || !session)
      return { id, caller, forged, destination, method, name, modern: this.#random() < 0.7, session: undefined };
    const own = this.#random() < 0.6 ? session.caller : caller;
    const there = this.#random() < 0.9 ? session.destination : destination;
    return {
      id: `${own.name}.${this.#made}`,
      caller: own,
      forged,
      destination: there,
      method,
      name,
      modern: false,
      session: session.id,
    };
  }

  /** A GET for a stream, or a batch of two calls; in a session, mostly one's own, or without one. */
  #unusual(
    method: 'stream' | 'batch',
    plan: Pick<Plan, 'id' | 'caller' | 'forged' | 'destination'>,
    session: Session | undefined,
  ): Plan {
    const batch = method === 'batch' ? { batch: [this.#pick(BATCHED), this.#pick(BATCHED)] } : {};
    const whole = { ...plan, ...batch, method, name: '', modern: false };
    if (!session || this.#random() < 0.4) return { ...whole, session: undefined };
    const caller = this.#random() < 0.7 ? session.caller : plan.caller;
    const id = `${caller.name}.${this.#made}`;
    return { ...whole, id, caller, destination: session.destination, session: session.id };
  }

  /** Ends a session, mostly one's own; nobody uses it meanwhile, since either order would be right. */
  #ending(caller: Caller, session: Session): Plan {
    const thief = this.#random() < 0.3;
    if (!thief) this.#sessions.splice(this.#sessions.indexOf(session), 1);
    const who = thief ? caller : session.caller;
    const isTheft = who !== session.caller;
    const plan = {
      id: `${who.name}.${this.#made}`,
      caller: who,
      forged: false,
      destination: session.destination,
      name: '',
      modern: false,
    };
    return {
      ...plan,
      method: isTheft ? 'tools/call' : 'end',
      name: isTheft ? 'read_a' : '',
      session: session.id,
    };
  }

  #session(): Session | undefined {
    if (this.#random() < 0.05) {
      const caller = this.#pick(this.world.callers);
      return { id: `guess-${Math.floor(this.#random() * 50)}`, destination: this.#pick(DESTINATIONS), caller };
    }
    return this.#sessions[Math.floor(this.#random() * this.#sessions.length)];
  }

  async #call(plan: Plan): Promise<void> {
    let expected = this.#model.atTheDoor(plan);
    const meet = () => {
      expected ??= this.#model.inside(plan);
    };
    // A DELETE or GET has no body: it is decided in one go.
    if (plan.method === 'end' || plan.method === 'stream') meet();
    const newest = this.#changed.get(plan.destination) ?? 0;
    const exchange = requestOf(plan, this.#random() < 0.5, meet);
    const reply = await this.#door(exchange);
    if (!expected) throw new Error(`answered ${reply.status} before it was read`);
    const text = await bodyOf(reply);
    exchange.ended?.(exchange, 'complete', reply.status);
    if (![401, 403, 429].includes(expected.status)) this.#model.over(plan);
    this.#count(plan, expected);
    if (plan.method === 'stream' && expected.status === 200) this.#compareStream(plan, reply, text);
    else if (plan.batch && expected.status === 200) this.#compareBatch(plan, reply, text);
    else this.#compare(plan, expected, reply, text, newest);
    this.#learn(plan, expected, reply);
  }

  #learn(plan: Plan, { status }: Expected, reply: Reply): void {
    if (plan.method === 'end' && status === 204) this.#model.ended(plan.destination, plan.session as string);
    if (plan.method !== 'initialize' || status !== 200) return;
    const id = headerValue(reply.headers, 'mcp-session-id') as string;
    this.#model.began(plan, id);
    this.#sessions.push({ id, destination: plan.destination, caller: plan.caller });
    if (this.#sessions.length > 200) this.#sessions.shift();
  }

  #count(plan: Plan, { status, code, limit }: Expected): void {
    const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
    add(this.tally, limit ?? code ?? String(status));
    const owner = code === 'CALLER_UNKNOWN' ? undefined : ownerOf(plan.caller);
    add(this.outcomes, [owner, plan.destination === 'nowhere' || !owner ? undefined : plan.destination, code].join());
    this.plans.set(plan.id, { plan, owner, refused: code !== undefined });
  }

  /** What a stream says is said to its own listener; where the lists have changed, nothing older is good any more. */
  #compareStream(plan: Plan, reply: Reply, text: string): void {
    same(reply.status, 200);
    const [first, ...news] = text.split('\n\n').flatMap((event) => (event === '' ? [] : [JSON.parse(event.slice(6))]));
    const { said } = (first as { params: { said: Said } }).params;
    this.#compareSaid({ ...plan, method: 'tools/call' }, said);
    this.#add('stream');
    if (news.length === 0) return;
    same(news, [{ jsonrpc: '2.0', method: CHANGED }]);
    this.#changed.set(plan.destination, Math.max(said.version, this.#changed.get(plan.destination) ?? 0));
    this.#add('changed');
  }

  #compareBatch(plan: Plan, reply: Reply, text: string): void {
    const answers = JSON.parse(text) as { id: string; result: { said: Said } }[];
    same([reply.status, answers.map(({ id }) => id)], [200, plan.batch?.map((_, index) => `${plan.id}/${index}`)]);
    for (const { id, result } of answers) this.#compareSaid({ ...plan, id, method: 'tools/call' }, result.said);
    this.#add('batch');
  }

  #add(way: string): void {
    this.tally.set(way, (this.tally.get(way) ?? 0) + 1);
  }

  #compare(plan: Plan, expected: Expected, reply: Reply, text: string, newest: number): void {
    const answer: Answer = text === '' ? {} : (JSON.parse(text) as Answer);
    const limit = /^the limit (\S+) is exceeded$/.exec(answer.error?.message ?? '')?.[1];
    same(
      { status: reply.status, code: answer.error?.data.code, limit },
      {
        code: undefined,
        limit: undefined,
        ...expected,
      },
    );
    const unread =
      ['end', 'stream', 'batch'].includes(plan.method) ||
      expected.status === 401 ||
      expected.code === 'UNKNOWN_DESTINATION';
    if (!unread) same(answer.id, plan.id);
    if (!answer.result) return;
    this.#compareAnswer(plan, answer.result, reply);
    // What was kept from before a change that had been told when this was asked.
    if (answer.result.said.version < newest)
      same(`kept of version ${answer.result.said.version}`, `of version ${newest} or later`);
  }

  #compareSaid({ caller, destination, id, method, name, session }: Plan, said: Said): void {
    same(said, {
      destination,
      madeFor: said.madeFor,
      version: said.version,
      token: `Bearer token-of-${destination}`,
      ...(destination === 'personal' ? { cookie: `of=${caller.name}` } : {}),
      ...(method === 'tools/call' ? { nonce: `of ${id}` } : {}),
      ...(method === 'resources/read' ? { uri: name } : {}),
      // What the upstream calls it: the caller's name for it is signed.
      ...(session === undefined ? {} : { session: session.slice(0, session.lastIndexOf('.')) }),
    });
  }

  #compareAnswer(plan: Plan, { said, tools }: NonNullable<Answer['result']>, reply: Reply): void {
    const { caller, destination, id } = plan;
    this.#compareSaid(plan, said);
    if (tools)
      same(
        tools.map((tool) => tool.name),
        this.#model.toolsOf(caller, destination),
      );
    if (said.madeFor !== id) this.#compareKept(plan, said.madeFor, reply);
  }

  #compareKept(plan: Plan, madeFor: string, reply: Reply): void {
    const maker = this.world.callers.find(({ name }) => name === madeFor.split('.')[0]) as Caller;
    this.tally.set('kept', (this.tally.get('kept') ?? 0) + 1);
    if (maker !== plan.caller) this.tally.set('shared', (this.tally.get('shared') ?? 0) + 1);
    same([reply.origin, maker.name, this.#model.mayShare(plan, maker)], ['cache', maker.name, true]);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }
}

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };

function requestOf(plan: Plan, bearer: boolean, meet: () => void): Exchange {
  const { batch, caller, destination, forged, id, method, modern, name, session } = plan;
  const key = forged ? `${caller.key.slice(0, -1)}${caller.key.endsWith('0') ? '1' : '0'}` : caller.key;
  const params = {
    ...(modern ? { _meta: META } : {}),
    ...(method === 'tools/call' ? { name, arguments: { nonce: `of ${id}` } } : {}),
    ...(method === 'resources/read' ? { uri: name } : {}),
  };
  const headers = {
    Host: 'localhost',
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    Cookie: `of=${caller.name}`,
    ...(bearer ? { Authorization: `Bearer ${key}` } : { 'X-Api-Key': key }),
    ...(session === undefined ? {} : { 'Mcp-Session-Id': session }),
    ...(modern ? { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': method } : {}),
    ...(modern && name !== '' ? { 'Mcp-Name': name } : {}),
  };
  if (method === 'stream')
    return exchangeOf(id, `/mcp/${destination}`, 'GET', { ...headers, 'X-Nonce': `of ${id}` }, '', () => {});
  if (method === 'end') return exchangeOf(id, `/mcp/${destination}`, 'DELETE', headers, '', () => {});
  return exchangeOf(
    id,
    `/mcp/${destination}`,
    'POST',
    headers,
    JSON.stringify(
      batch ? batch.map((tool, index) => toolCall(`${id}/${index}`, tool)) : { jsonrpc: '2.0', id, method, params },
    ),
    meet,
  );
}

function toolCall(id: string, name: string): object {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { nonce: `of ${id}` } } };
}

/** Cheaper than `expect`, which is asked only where it will say what differs. */
function same(came: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(came, expected)) expect(came).toEqual(expected);
}

/** A line of the audit log, as far as it is compared. */
interface Line {
  readonly requestId: string;
  readonly subject?: string | null;
  readonly tenant?: string | null;
  readonly destination?: string | null;
  readonly name?: string | null;
  readonly code?: string | null;
  readonly outcome: string;
  readonly count?: number;
}

/** Refusals of more kinds than are counted apart are counted together, and name nobody. */
function isOfNobody({ outcome, subject, code }: Line): boolean {
  return outcome === 'refused' && (subject ?? code ?? null) === null;
}

/** Each line must be of a call that its caller made, with the outcome that it had; and none may be missing. */
function compareAudit(lines: readonly Line[], { plans, outcomes }: Run): void {
  const found = new Map<string, number>();
  let ofNobody = 0;
  for (const line of lines) {
    const { requestId, count = 1 } = line;
    if (isOfNobody(line)) {
      ofNobody += count;
      continue;
    }
    const made = plans.get(requestId);
    if (!made) throw new Error(`seed ${SEED}: nobody made ${requestId}`);
    const key = keyOfLine(line, made);
    found.set(key, (found.get(key) ?? 0) + count);
  }
  same(
    [...found].filter(([key, count]) => count > (outcomes.get(key) ?? 0)),
    [],
  );
  const missing = [...outcomes].map(([key, count]) => count - (found.get(key) ?? 0));
  same(
    missing.reduce((sum, count) => sum + count, 0),
    ofNobody,
  );
}

function keyOfLine(line: Line, { plan, owner, refused }: Made): string {
  const { subject, tenant = null, destination, name, code, outcome } = line;
  const whose = (subject ?? undefined) === undefined ? undefined : JSON.stringify([tenant, subject]);
  if (whose !== owner || (outcome !== 'allowed') !== refused)
    throw new Error(`seed ${SEED}: the audit line of ${plan.id} says ${whose} ${outcome}`);
  if (outcome === 'allowed')
    same(
      [destination, name ?? ''],
      [plan.destination, plan.batch?.map((tool) => `tools/call ${tool}`).join(', ') ?? plan.name],
    );
  return [whose, destination ?? undefined, code ?? undefined].join();
}

/** Every fortieth time; else things go their way. */
function sometimes(): () => boolean {
  let count = 0;
  return () => ++count % 40 === 0;
}

function withHeaders(exchange: Exchange, changed: Readonly<Record<string, string | undefined>>): Exchange {
  const { request } = exchange;
  const header = (name: string) => (name in changed ? changed[name] : request.header(name));
  return Object.assign(exchange, { request: { ...request, header } });
}

/** Ways to mix callers up that a broken gateway might find. */
const MIXERS: Readonly<Record<string, Mixer>> = {
  'the caller of a call': (door, { world }) => {
    const now = sometimes();
    return (exchange) => {
      const { key } = world.callers[0] as Caller;
      return door(now() ? withHeaders(exchange, { authorization: `Bearer ${key}`, 'x-api-key': undefined }) : exchange);
    };
  },
  'the answer of a call': (door) => {
    const now = sometimes();
    let last = '';
    return async (exchange) => {
      const reply = await door(exchange);
      const text = await bodyOf(reply);
      const own = text.replace(/"id":"[^"]*"/, '"id":"?"');
      const other = last;
      last = reply.status === 200 ? own : last;
      const given = now() && reply.status === 200 && other ? other : own;
      return { ...reply, body: Buffer.from(text === '' ? '' : given.replace('"?"', JSON.stringify(exchange.id))) };
    };
  },
  'the owner of a session': (door) => (exchange) => door(withHeaders(exchange, { 'mcp-session-id': undefined })),
  'the limits of two callers': (door) => {
    const now = sometimes();
    return async (exchange) => {
      // Its place is never given back.
      const reply = await door(exchange);
      if (now()) exchange.ended = undefined;
      return reply;
    };
  },
};

describe('callers', () => {
  const { stackTraceLimit } = Error;
  // Half of the calls are refused, and nobody reads where.
  beforeAll(() => {
    Error.stackTraceLimit = 0;
  });
  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });

  it(`never cross, in ${CALLS} calls of random principals, tenants, tools, sessions, streams and batches`, async () => {
    const random = sequence(SEED);
    const world = await IsolationWorld.start(random);
    const run = new Run(world, random);
    let lines: Line[] = [];
    try {
      await run.calls(CALLS / 2);
      await run.reload();
      await run.calls(CALLS / 2);
    } finally {
      lines = (await world.end()) as unknown as Line[];
    }
    compareAudit(lines, run);
    expect(world.complaints).toEqual([]);
    // Each way of going wrong was open often enough.
    expect(WAYS.filter((way) => (run.tally.get(way) ?? 0) < 50)).toEqual([]);
  }, 300_000);
});

const WAYS = [
  'CALLER_UNKNOWN',
  'UNKNOWN_DESTINATION',
  'NOT_PERMITTED',
  'SESSION_LOST',
  'perCaller',
  'perTenant',
  'perTool',
  'concurrent.perCaller',
  'concurrent.perTenant',
  'kept',
  'shared',
  'stream',
  'changed',
  'batch',
  '200',
  '204',
];

describe('the model that callers are compared with', () => {
  it.each(Object.entries(MIXERS))('notices when something mixes up %s', async (_what, mix) => {
    const random = sequence(SEED);
    const world = await IsolationWorld.start(random);
    try {
      await expect(new Run(world, random, mix).calls(3_000)).rejects.toThrow(`seed ${SEED}`);
    } finally {
      await world.end();
    }
  });

  it('notices an audit line that names another caller, or is missing', async () => {
    const random = sequence(SEED);
    const world = await IsolationWorld.start(random);
    const run = new Run(world, random);
    await run.calls(1_000).catch(() => {});
    const lines = (await world.end()) as unknown as Line[];
    compareAudit(lines, run);
    const at = lines.findIndex(({ outcome }) => outcome === 'allowed');
    expect(() => compareAudit(lines.toSpliced(at, 1), run)).toThrow();
    const line = lines[at] as Line;
    const { id } = world.callers.find((caller) => `keys:${caller.id}` !== line.subject) as Caller;
    expect(() => compareAudit(lines.with(at, { ...line, subject: `keys:${id}` }), run)).toThrow(`seed ${SEED}`);
  });
});
