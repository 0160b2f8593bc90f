import type { Owner } from '../../../src/contracts.js';
import { sequence } from '../../helpers/sequence.js';
import { callOf, pageOf } from './tinyTenant.js';
import { run, ToolsWorld } from './toolsWorld.js';

const USERS = 50;
const CALLS = 1_500;
const SEED = 20_261_121;

describe('50 users of 3 tenants, calling in any order', () => {
  const world = new ToolsWorld();
  afterAll(() => world.close());

  it('nobody is ever answered with what another one may see, cached or not', async () => {
    const random = sequence(SEED);
    const pick = (most: number) => Math.floor(random() * most);
    const tenants = await Promise.all(
      ['acme', 'bolt', 'core'].map(async (name) => {
        const options = { access: 'write', cache: { metadataSeconds: 300, dataSeconds: 300 }, maxWaitSeconds: 60 };
        const { toolset, tenant } = await world.open(options, ({ headers, target }) => {
          // What a user sees says whose it is, and at which tenant.
          const seen = { id: 'x', name: `${name} ${headers.authorization}` };
          return target.includes('?') ? pageOf([seen]) : { body: { ...seen, attributes: seen } };
        });
        return { name, toolset, tenant };
      }),
    );
    const crossed: string[] = [];
    const one = async () => {
      const at = tenants[pick(tenants.length)] as (typeof tenants)[number];
      const user = pick(USERS);
      // Some have no name of their own; subjects are the same in every tenant, and so is the client that tokens are for.
      const owner: Owner | null =
        user % 5 === 0 ? null : { subject: `sso:u${user}`, ...(user % 2 ? { tenant: 't' } : {}) };
      const context = callOf(owner, `${at.name}-client-u${user}`);
      const calls = [
        () => run(at.toolset, 'qlik_list', { resource: 'spaces' }, context),
        () => run(at.toolset, 'qlik_search', { query: 'sales' }, context),
        () => run(at.toolset, 'qlik_get', { resource: 'users', id: 'me' }, context),
        () => run(at.toolset, 'qlik_describe_app', { appId: 'a1' }, context),
        () => run(at.toolset, 'qlik_create', { resource: 'spaces', fields: {} }, context),
      ];
      const answer = JSON.stringify(await calls[pick(calls.length)]?.());
      if (!answer.includes(`"${at.name} Bearer ${at.name}-client-u${user}"`)) crossed.push(answer);
    };
    for (let count = 0; count < CALLS; count += 30) await Promise.all(Array.from({ length: 30 }, one));
    expect(crossed).toEqual([]);
    expect(world.signals.named('qlik.cache-hit').length).toBeGreaterThan(100);
    for (const { name, tenant } of tenants)
      expect(tenant.heard.filter(({ headers }) => !headers.authorization?.startsWith(`Bearer ${name}-`))).toEqual([]);
  });
});
