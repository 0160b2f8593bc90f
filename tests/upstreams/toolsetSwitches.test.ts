import type { Reply } from '../../src/contracts.js';
import { readMessages } from '../../src/wire/messages.js';
import { type Json, toolOf, toolsetWorld } from './toolsetWorld.js';

const tools = [
  toolOf('get', async () => ({}), { category: 'reading' }),
  toolOf('find', async () => ({}), { category: 'reading' }),
  toolOf('put', async () => ({}), { category: 'writing', effect: 'write' }),
  toolOf('gone', async () => ({}), { category: 'reading' }),
];

/** What a listener hears, as it comes. */
function listener(reply: Reply) {
  const heard: Json[] = [];
  let over = false;
  const end = () => {
    over = true;
  };
  const flow = readMessages(reply, { message: (text) => heard.push(JSON.parse(text)), end, fail: end });
  return { heard, over: () => over, leave: () => flow.cancel() };
}

const settled = async () => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

const LISTEN = { notifications: { toolsListChanged: true, promptsListChanged: true } };
const ID = 'io.modelcontextprotocol/subscriptionId';

async function switchedWorld() {
  const world = await toolsetWorld(tools, { options: { exclude: ['gone'] } });
  const switches = world.upstream.tools;
  if (!switches) throw new Error('no switches');
  const names = async () => ((await world.ask('tools/list')).result.tools as Json[]).map(({ name }) => name);
  return { world, switches, names };
}

describe('switches', () => {
  it('take a tool, or a category, out of the list and away from callers, and bring it back', async () => {
    const { world, switches, names } = await switchedWorld();
    expect(switches.turn({ category: 'reading' }, false)?.map(({ name, enabled }) => [name, enabled])).toEqual([
      ['get', false],
      ['find', false],
    ]);
    expect(await names()).toEqual(['put']);
    expect([world.upstream.offers?.('get'), world.upstream.offers?.('put')]).toEqual([false, true]);
    expect((await world.call('get')).error?.code).toBe(-32602);
    switches.turn({ tool: 'find' }, true);
    expect(await names()).toEqual(['find', 'put']);
    expect((await world.call('find')).result.isError).toBeUndefined();
  });

  it('know no tool that the configuration leaves out', async () => {
    const { switches, names } = await switchedWorld();
    expect(switches.list().map(({ name }) => name)).toEqual(['get', 'find', 'put']);
    expect(switches.turn({ tool: 'gone' }, true)).toBeUndefined();
    expect(switches.turn({ category: 'nothing' }, true)).toBeUndefined();
    expect(await names()).not.toContain('gone');
  });

  it('are heard of by whoever listens, under the id of its own request, and by nobody else', async () => {
    const { world, switches } = await switchedWorld();
    const [a, b] = [
      listener(await world.open('subscriptions/listen', LISTEN, { id: 'mine' }).reply),
      listener(await world.open('subscriptions/listen', LISTEN, { id: 7 }).reply),
    ];
    expect(a.heard).toMatchObject([
      {
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { toolsListChanged: true }, _meta: { [ID]: 'mine' } },
      },
    ]);
    switches.turn({ tool: 'get' }, false);
    switches.turn({ tool: 'get' }, false);
    await settled();
    const changed = (id: unknown) => ({ method: 'notifications/tools/list_changed', params: { _meta: { [ID]: id } } });
    expect(a.heard.slice(1)).toMatchObject([changed('mine')]);
    expect(b.heard.slice(1)).toMatchObject([changed(7)]);

    a.leave();
    switches.turn({ tool: 'get' }, true);
    await settled();
    expect([a.heard.length, b.heard.length, b.over()]).toEqual([2, 3, false]);
    await world.upstream.close();
    expect([b.over(), b.heard.at(-1)]).toMatchObject([true, { id: 7, result: { _meta: { [ID]: 7 } } }]);
  });

  it('a listener that leaves makes room for another one: none is kept', async () => {
    const { world, switches } = await switchedWorld();
    for (let i = 0; i < 10_050; i++) {
      const { heard, leave } = listener(await world.open('subscriptions/listen', LISTEN).reply);
      if (heard[0]?.error) throw new Error(JSON.stringify(heard[0]));
      leave();
    }
    const last = listener(await world.open('subscriptions/listen', LISTEN).reply);
    switches.turn({ tool: 'put' }, false);
    await settled();
    expect(last.heard).toHaveLength(2);
    await world.upstream.close();
  });
});
