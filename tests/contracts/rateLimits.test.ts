import { setTimeout as sleep } from 'node:timers/promises';
import type { Admission } from '../../src/contracts/callers.js';
import type { Exchange, Principal } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { createQuotas, type Refusal, type RunningQuotas } from '../../src/policy/quotas.js';
import { quotasSchema } from '../../src/policy/quotasSchema.js';
import kind, { type SharedLimits } from '../../src/stores/redis.js';
import { FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';

/** Where limits are counted: quotas by these options, and again for another process where the count is shared. */
interface Counted {
  quotas(options: object): RunningQuotas;
  close(): Promise<void>;
}

const signals = new FakeSignals();
const clientAddress = (socket: string) => socket;

async function inMemory(): Promise<Counted> {
  return {
    quotas: (options) => createQuotas(quotasSchema.parse(options), { clock: systemClock, signals, clientAddress }),
    close: async () => {},
  };
}

async function inRedis(): Promise<Counted & { another(): Promise<Counted> }> {
  const server = await RedisServer.start();
  const opened: SharedLimits[] = [];
  const another = async (): Promise<Counted> => {
    const deps = { name: 'shared', clock: systemClock, signals, baseDir: '/', rest: () => Promise.reject(new Error()) };
    const shared = await kind.create(kind.options.parse({ url: server.url }), deps);
    opened.push(shared);
    const more = { clock: systemClock, signals, clientAddress, shared };
    return { quotas: (options) => createQuotas(quotasSchema.parse(options), more), close: async () => {} };
  };
  const close = async () => {
    for (const shared of opened) shared.close();
    await server.kill();
  };
  return { ...(await another()), another, close };
}

let subjects = 0;
const somebody = (tenant?: string): Principal => {
  subjects += 1;
  return { subject: `keys:${subjects}`, roles: [], claims: {}, ...(tenant === undefined ? {} : { tenant }) };
};

function call(principal: Principal, name = 'search', destination = 'qlik'): Exchange {
  const decision = { strategy: 'PROXY', destination, by: 'path' } as const;
  return fakeExchange(fakeInbound('/mcp'), { principal, decision, call: fakeCall('tools/call', name) });
}

const verdict = (answer: Admission | Refusal) => ('limit' in answer ? answer.limit : 'ok');

async function asked(quotas: RunningQuotas, exchange: Exchange, times: number): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < times; i++) seen.push(verdict((await quotas.admitCall(exchange)) as Admission | Refusal));
  return seen;
}

const count = (seen: readonly string[], what = 'ok') => seen.filter((one) => one === what).length;

function rateLimitSuite(name: string, start: () => Promise<Counted>): void {
  describe(name, () => {
    let counted: Counted;
    beforeAll(async () => {
      counted = await start();
    });
    afterAll(() => counted.close());

    it('lets a burst through and then says how long to wait', async () => {
      const quotas = counted.quotas({ perCaller: '5/m' });
      const caller = call(somebody());
      expect(await asked(quotas, caller, 6)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'perCaller']);
      const { retryAfterMs, headers } = (await quotas.admitCall(caller)) as Refusal;
      expect(retryAfterMs).toBeGreaterThan(500);
      expect(retryAfterMs).toBeLessThanOrEqual(12_000);
      expect(headers.join(' ')).toMatch(/^ratelimit "perCaller";r=0;t=\d+ ratelimit-policy "perCaller";q=5;w=60$/);
    });

    it('lists what was drawn, by whom, and gives it back', async () => {
      const quotas = counted.quotas({
        perCaller: '5/h',
        perTenant: '10/h',
        perTool: { 'qlik/tools/call:search': '20/h' },
      });
      const [alice, bob] = [somebody('red'), somebody('blue')];
      await asked(quotas, call(alice), 2);
      await asked(quotas, call(bob), 1);
      const drawn = async (tenant?: string) => {
        const lines = (await quotas.list(tenant)).filter((line) => line.drawn !== undefined);
        const shown = lines.map((line) => `${line.limit} ${line.subject ?? '-'} ${line.tenant} ${line.remaining}`);
        return shown.filter((line) => /red|blue/.test(line)).sort();
      };
      const mine = [`perCaller ${alice.subject} red 3`, 'perTenant - red 8', `perTool ${alice.subject} red 18`];
      expect(await drawn('red')).toEqual(mine);
      expect(await drawn()).toHaveLength(6);
      const line = (await quotas.list('red')).find(({ limit, drawn }) => limit === 'perCaller' && drawn !== undefined);
      await quotas.reset(line?.id ?? '');
      expect(await drawn('red')).toEqual(mine.slice(1));
      expect(await asked(quotas, call(alice), 6)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'perCaller']);
      await quotas.reset('no such line');
      expect(await asked(quotas, call(alice), 1)).toEqual(['perCaller']);
    });

    it('fills up again', async () => {
      const quotas = counted.quotas({ perCaller: '4/s burst 1' });
      const caller = call(somebody());
      expect(await asked(quotas, caller, 2)).toEqual(['ok', 'perCaller']);
      await sleep(330);
      expect(await asked(quotas, caller, 1)).toEqual(['ok']);
    });

    it('says how much is left', async () => {
      const quotas = counted.quotas({ perCaller: '100/h' });
      const caller = call(somebody());
      const left: number[] = [];
      for (let i = 0; i < 30; i++) {
        const { headers } = (await quotas.admitCall(caller)) as Admission;
        left.push(Number(/r=(\d+)/.exec(headers[1] as string)?.[1]));
      }
      expect(left).toEqual(Array.from({ length: 30 }, (_, i) => 99 - i));
    });

    it('never lets more through than the bucket holds, however many ask at once', async () => {
      const quotas = counted.quotas({ perCaller: '200/h' });
      const caller = call(somebody());
      const answers = await Promise.all(Array.from({ length: 500 }, () => quotas.admitCall(caller)));
      expect(count(answers.map((answer) => verdict(answer as Admission | Refusal)))).toBe(200);
    });

    it('keeps callers, tenants and tools apart', async () => {
      const quotas = counted.quotas({
        perCaller: '3/h',
        perTenant: '4/h',
        perTool: { 'qlik/tools/call:write_*': '1/h' },
      });
      const [red, other] = [somebody('green'), somebody('green')];
      expect(await asked(quotas, call(red, 'write_a'), 2)).toEqual(['ok', 'perTool']);
      expect(await asked(quotas, call(red), 3)).toEqual(['ok', 'ok', 'perCaller']);
      expect(await asked(quotas, call(other), 2)).toEqual(['ok', 'perTenant']);
      expect(await asked(quotas, call(somebody('grey')), 2)).toEqual(['ok', 'ok']);
    });

    it('a refused call draws on no other limit', async () => {
      const quotas = counted.quotas({ perCaller: '2/h', perDestination: { once: '4/h' } });
      expect(count(await asked(quotas, call(somebody(), 'x', 'once'), 40))).toBe(2);
      expect(count(await asked(quotas, call(somebody(), 'x', 'once'), 40))).toBe(2);
      const late = somebody();
      expect(await asked(quotas, call(late, 'x', 'once'), 3)).toEqual(Array(3).fill('perDestination'));
      expect(await asked(quotas, call(late, 'x', 'elsewhere'), 3)).toEqual(['ok', 'ok', 'perCaller']);
    });

    it('gives a place back to whoever waits for it', async () => {
      const quotas = counted.quotas({ concurrent: { perCaller: 2 } });
      const caller = call(somebody());
      const held = (await quotas.admitCall(caller)) as Admission;
      expect(await asked(quotas, caller, 2)).toEqual(['ok', 'concurrent.perCaller']);
      held.release();
      held.release();
      expect(await asked(quotas, caller, 2)).toEqual(['ok', 'concurrent.perCaller']);
    });

    it('lets no more in at once than there are places', async () => {
      const quotas = counted.quotas({ perCaller: '1000/s', concurrent: { perCaller: 7, perTenant: 7 } });
      const caller = call(somebody('crowd'));
      const answers = await Promise.all(Array.from({ length: 50 }, () => quotas.admitCall(caller)));
      expect(count(answers.map((answer) => verdict(answer as Admission | Refusal)))).toBe(7);
    });
  });
}

rateLimitSuite('limits in memory', inMemory);

const describeRedis = withoutRedis ? describe.skip : describe;
describeRedis(withoutRedis ? `limits in Redis: left out, ${withoutRedis}` : 'limits in Redis', () => {
  rateLimitSuite('of one process', inRedis);

  describe('of two processes', () => {
    let first: Awaited<ReturnType<typeof inRedis>>;
    let second: Counted;
    beforeAll(async () => {
      first = await inRedis();
      second = await first.another();
    });
    afterAll(() => first.close());

    it.each(['5/h', '300/h'])('are %s together, not each', async (perCaller) => {
      const processes = [first.quotas({ perCaller }), second.quotas({ perCaller })];
      const caller = call(somebody());
      const seen: string[] = [];
      for (let i = 0; i < 400; i++) seen.push(...(await asked(processes[i % 2] as RunningQuotas, caller, 1)));
      expect(count(seen)).toBe(Number.parseInt(perCaller, 10));
    });

    it('count concurrent calls together', async () => {
      const options = { concurrent: { perCaller: 3 } };
      const [here, there] = [first.quotas(options), second.quotas(options)];
      const caller = call(somebody());
      expect(await asked(here, caller, 2)).toEqual(['ok', 'ok']);
      const last = (await there.admitCall(caller)) as Admission;
      expect([...(await asked(here, caller, 1)), ...(await asked(there, caller, 1))]).toEqual(
        Array(2).fill('concurrent.perCaller'),
      );
      last.release();
      let seen: string[] = [];
      // It is Redis that has to hear of it. What is refused takes no place.
      for (let tries = 0; tries < 100 && seen[0] !== 'ok'; tries++) {
        await sleep(20);
        seen = await asked(here, caller, 1);
      }
      expect(seen).toEqual(['ok']);
    });
  });
});
