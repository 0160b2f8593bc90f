import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import type { Admission } from '../../src/contracts/callers.js';
import type { Exchange, Principal } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { createQuotas, type Refusal, type RunningQuotas } from '../../src/policy/quotas.js';
import { quotasSchema } from '../../src/policy/quotasSchema.js';
import kind, { type SharedLimits } from '../../src/stores/redis.js';
import { FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';
import { sequence } from '../helpers/sequence.js';

const SEED = Number(process.env.ISOLATION_SEED ?? randomInt(2 ** 31));
const CALLS = 2_000;
/** Nothing comes back while this runs. */
const EACH = 7;
const TENANT = 25;

/** Names that careless keys would take for one another. */
const SUBJECTS = ['keys:1', 'keys:11', '["keys:1"]', 'perCaller', 'keys:1","red', ''];
const TENANTS = ['red', 'blue', 'keys:1', undefined];

const describeRedis = withoutRedis ? describe.skip : describe;

describeRedis(
  withoutRedis ? `limits shared through Redis: left out, ${withoutRedis}` : 'limits shared through Redis',
  () => {
    let server: RedisServer;
    const stores: SharedLimits[] = [];
    const signals = new FakeSignals();

    beforeAll(async () => {
      server = await RedisServer.start();
    });
    afterAll(async () => {
      for (const store of stores) store.close();
      await server.kill();
    });

    /** One of several processes that count together. */
    async function processOf(prefix: string): Promise<RunningQuotas> {
      const deps = {
        name: 'shared',
        clock: systemClock,
        signals,
        baseDir: '/',
        rest: () => Promise.reject(new Error()),
      };
      const shared = await kind.create(kind.options.parse({ url: server.url, prefix }), deps);
      stores.push(shared);
      const options = quotasSchema.parse({ perCaller: `${EACH}/d`, perTenant: `${TENANT}/d` });
      return createQuotas(options, { clock: systemClock, signals, shared, clientAddress: (socket) => socket });
    }

    /** What each caller had, and was refused by; undefined where Redis was too slow for a process, which then counts alone. */
    async function makeCalls() {
      const random = sequence(SEED);
      const before = signals.named('store.lost').length;
      const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
      // Each try counts from nothing.
      const prefix = `${randomUUID()}:`;
      const processes = [await processOf(prefix), await processOf(prefix)];
      const callers = TENANTS.flatMap((tenant) =>
        SUBJECTS.map(
          (subject): Principal => ({ subject, roles: [], claims: {}, ...(tenant === undefined ? {} : { tenant }) }),
        ),
      );
      const had = new Map<Principal, number>();
      const refused = new Map<Principal, Set<string>>();
      const one = async () => {
        const caller = pick(callers);
        const answer = (await pick(processes).admitCall(callOf(caller))) as Admission | Refusal;
        if (!('limit' in answer)) had.set(caller, (had.get(caller) ?? 0) + 1);
        else refused.set(caller, (refused.get(caller) ?? new Set()).add(answer.limit));
      };
      for (let made = 0; made < CALLS; made += 20) await Promise.all(Array.from({ length: 20 }, one));
      const lost = signals.named('store.lost').length > before;
      return lost ? undefined : { callers, had, refused };
    }

    it(`give nobody what is another's, in ${CALLS} calls of random principals at two processes at once`, async () => {
      let made = await makeCalls();
      for (let again = 0; again < 4 && !made; again++) {
        made = await makeCalls();
      }
      const { callers, had, refused } = made ?? assert.fail('Redis never answered in time');
      const seen = callers.map((caller) => [caller.tenant, caller.subject, had.get(caller) ?? 0] as const);
      const ofTenant = (tenant: string | undefined) =>
        seen.filter(([of]) => of === tenant).reduce((sum, [, , count]) => sum + count, 0);
      expect({ seed: SEED, most: Math.max(...seen.map(([, , count]) => count)) }).toEqual({ seed: SEED, most: EACH });
      for (const tenant of TENANTS) {
        // Callers of a tenant share its limit and no other's; those without one have only their own, each in full.
        expect([SEED, tenant, ofTenant(tenant)]).toEqual([
          SEED,
          tenant,
          tenant === undefined ? SUBJECTS.length * EACH : TENANT,
        ]);
      }
      for (const caller of callers.filter(({ tenant }) => tenant === undefined))
        expect([...(refused.get(caller) ?? [])]).toEqual(['perCaller']);
    });
  },
);

function callOf(principal: Principal): Exchange {
  const decision = { strategy: 'PROXY', destination: 'qlik', by: 'path' } as const;
  return fakeExchange(fakeInbound('/mcp'), { principal, decision, call: fakeCall('tools/list') });
}
