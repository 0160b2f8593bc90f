import type { Reply } from '../../src/contracts.js';
import { jsonReply } from '../../src/wire/messages.js';
import { broken, error, FakeMember, federate, lacking, namesIn, settled, toolsMember } from './federationWorld.js';

const alice = { subject: 'alice', roles: [] } as never;
const bob = { subject: 'bob', roles: [] } as never;

describe('tools of two members', () => {
  it('are listed as one, under their members’ names', async () => {
    const { ask } = await federate({}, { a: toolsMember('get', 'set'), b: toolsMember('get') });
    const listed = await ask('tools/list');
    expect(namesIn(listed)).toEqual(['a_get', 'a_set', 'b_get']);
    expect(listed.message.result).toMatchObject({ resultType: 'complete', ttlMs: 1000, cacheScope: 'public' });
    expect(lacking(listed)).toBeUndefined();
  });

  it('are called by their own names, with the headers that say so, and nobody else is asked', async () => {
    const { ask, members } = await federate({}, { a: toolsMember('get'), b: toolsMember('get') });
    const headers = ['Mcp-Name', 'b_get', 'Mcp-Param-Region', 'eu', 'X-Other', '1'];
    const said = await ask('tools/call', { name: 'b_get', arguments: { n: 1 } }, { headers });
    expect(said.message).toMatchObject({ id: 7, result: { content: [{ text: 'get' }] } });
    expect(members.get('a')?.asked).toEqual([]);
    const asked = members.get('b')?.asked[0]?.exchange.request;
    expect([asked?.header('mcp-name'), asked?.header('mcp-method'), asked?.header('mcp-param-region')]).toEqual([
      'get',
      'tools/call',
      'eu',
    ]);
    expect([asked?.header('mcp-protocol-version'), asked?.header('x-other')]).toEqual(['2026-07-28', '1']);
    expect(members.get('b')?.ended).toBe(1);
  });

  it('whose names have to be hashed are found by listing, on a replica that has listed nothing', async () => {
    const options = { members: ['a', 'a_b'] };
    const make = () => federate(options, { a: toolsMember('b_c', 'x'.repeat(100)), a_b: toolsMember('c') });
    const [first, second] = await Promise.all([make(), make()]);
    const names = namesIn(await first.ask('tools/list')) as string[];
    expect(names.slice(1)).toEqual([expect.stringMatching(/^a_x{49}_[0-9a-f]{12}$/), 'a_b_c']);
    const called = await Promise.all(names.map((name) => second.ask('tools/call', { name })));
    expect(called.map(({ message }) => message.result?.content)).toEqual([
      [{ type: 'text', text: 'b_c' }],
      [{ type: 'text', text: 'x'.repeat(100) }],
      [{ type: 'text', text: 'c' }],
    ]);
  });

  it.each(['nobody_get', 'get', 'a_get_000000000000', ''])('%p is unknown', async (name) => {
    const { ask } = await federate({}, { a: toolsMember('get') });
    const { status, message } = await ask('tools/call', { name });
    expect([status, message.error?.code]).toEqual([200, -32602]);
  });

  it('include and exclude hold for lists and calls, by the member’s names and by ours', async () => {
    const options = {
      members: { a: { include: ['get*'], exclude: ['get_b'] }, b: { as: 'x' } },
      exclude: ['x_s*'],
    };
    const { ask, members } = await federate(options, {
      a: toolsMember('get_a', 'get_b', 'set'),
      b: toolsMember('get', 'set'),
    });
    expect(namesIn(await ask('tools/list'))).toEqual(['a_get_a', 'x_get']);
    for (const name of ['a_get_b', 'a_set', 'x_set', 'b_get', 'A_get_a']) {
      expect((await ask('tools/call', { name })).message.error?.code).toBe(-32602);
    }
    expect(
      members
        .get('a')
        ?.methods()
        .concat(members.get('b')?.methods() ?? []),
    ).not.toContain('tools/call');
    expect((await ask('tools/call', { name: 'x_get' })).message.result).toBeDefined();
  });

  it('a body that names two tools is refused', async () => {
    const { open } = await federate({}, { a: toolsMember('get', 'set') });
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"a_set","name":"a_get"}}';
    await expect(open('tools/call', {}, { body }).reply).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('a member that fails', () => {
  it('leaves a partial list that says so, and is named once in the log', async () => {
    const down = new FakeMember({ 'tools/list': broken });
    const { ask, signals } = await federate({}, { a: down, b: toolsMember('get') });
    const listed = await ask('tools/list');
    expect(namesIn(listed)).toEqual(['b_get']);
    expect(lacking(listed)).toEqual([{ member: 'a', code: 'UPSTREAM_UNREACHABLE' }]);
    expect(listed.message.result).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
    await ask('tools/list');
    expect(signals.named('federation.member-lost')).toEqual([
      { destination: 'all', member: 'a', code: 'UPSTREAM_UNREACHABLE' },
    ]);
  });

  it('is waited for no longer than listMs', async () => {
    const hangs = new FakeMember({ 'tools/list': () => new Promise(() => {}) });
    const { open, clock } = await federate({ listMs: 50 }, { a: hangs, b: toolsMember('get') });
    const { reply } = open('tools/list');
    await settled();
    await clock.pass(50);
    expect(JSON.parse(String((await reply).body)).result._meta['io.mcp-drawbridge/unavailable']).toEqual([
      { member: 'a', code: 'UPSTREAM_TIMEOUT' },
    ]);
    expect(hangs.asked[0]?.exchange.gone).toBe(true);
    expect(hangs.ended).toBe(1);
    expect(clock.sleepers).toEqual([]);
  });

  it('that hung is not waited for again: it is asked in the background, and is back with its answer', async () => {
    let answer: (said: Reply) => void = () => {};
    const hangs = new FakeMember({
      'tools/list': () =>
        new Promise<Reply>((resolve) => {
          answer = resolve;
        }),
    });
    const { open, ask, clock, signals } = await federate({ listMs: 50 }, { a: hangs, b: toolsMember('get') });
    const { reply } = open('tools/list');
    await settled();
    await clock.pass(50);
    await reply;

    for (let n = 0; n < 3; n++) {
      const without = await ask('tools/list');
      expect(namesIn(without)).toEqual(['b_get']);
      expect(lacking(without)).toEqual([{ member: 'a', code: 'UPSTREAM_TIMEOUT' }]);
    }
    expect(hangs.asked).toHaveLength(2);
    await clock.pass(50);
    await ask('tools/list');
    expect(hangs.asked).toHaveLength(3);

    const result = { resultType: 'complete', tools: [{ name: 'get', inputSchema: {} }] };
    answer(jsonReply({ jsonrpc: '2.0', id: 7, result }));
    await settled();
    expect(signals.named('federation.member-back')).toHaveLength(1);
    const again = open('tools/list');
    await settled();
    answer(jsonReply({ jsonrpc: '2.0', id: 7, result }));
    expect(JSON.parse(String((await again.reply).body)).result.tools).toMatchObject([
      { name: 'a_get' },
      { name: 'b_get' },
    ]);
    expect(clock.sleepers).toEqual([]);
  });

  it('that hung for one caller is waited for by another', async () => {
    const hangs = new FakeMember({ 'tools/list': () => new Promise(() => {}) });
    const { open, clock } = await federate({ listMs: 50 }, { a: hangs, b: toolsMember('get') });
    const first = open('tools/list', {}, { principal: alice });
    await settled();
    await clock.pass(50);
    await first.reply;
    let answered = false;
    const second = open('tools/list', {}, { principal: bob });
    second.reply.then(() => {
      answered = true;
    });
    await settled();
    expect(answered).toBe(false);
    await clock.pass(50);
    expect(answered).toBe(true);
  });

  it('is shown as it was for graceMs, to the caller who saw it, marked as stale', async () => {
    const a = toolsMember('get');
    const { ask, clock } = await federate({ graceMs: 1000 }, { a, b: toolsMember('get') });
    await ask('tools/list', {}, { principal: alice });
    a.answers['tools/list'] = broken;
    const stale = await ask('tools/list', {}, { principal: alice });
    expect(namesIn(stale)).toEqual(['a_get', 'b_get']);
    expect(lacking(stale)).toEqual([{ member: 'a', code: 'UPSTREAM_UNREACHABLE', stale: true }]);
    expect(stale.message.result).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
    expect(namesIn(await ask('tools/list', {}, { principal: bob }))).toEqual(['b_get']);
    expect(namesIn(await ask('tools/list', {}, { principal: alice, headers: ['x-tenant', 'two'] }))).toEqual(['b_get']);
    clock.time += 1001;
    expect(namesIn(await ask('tools/list', {}, { principal: alice }))).toEqual(['b_get']);
  });

  it('with another configuration behind it is another one: nothing is shown as it was', async () => {
    const a = toolsMember('secret');
    const { ask, members } = await federate({}, { a, b: toolsMember('get') });
    await ask('tools/list');
    members.set('a', new FakeMember({ 'tools/list': broken }));
    expect(namesIn(await ask('tools/list'))).toEqual(['b_get']);
  });

  it('only where all fail, the first one’s failure is the answer', async () => {
    const failing = (code: number) =>
      new FakeMember({ 'tools/list': (_, exchange) => error(exchange, 500, code, `error ${code}`) });
    const { ask, open } = await federate({}, { a: failing(-32603), b: failing(-1) });
    expect(await ask('tools/list')).toMatchObject({ status: 500, message: { id: 7, error: { code: -32603 } } });
    const down = await federate({}, { a: new FakeMember({ 'tools/list': broken }) });
    await expect(down.open('tools/list').reply).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    await expect(open('prompts/list').reply).resolves.toMatchObject({ status: 404 });
  });

  it('a member that has no such list, or that the caller may not see, isn’t missed', async () => {
    const { GatewayError } = await import('../../src/core/errors.js');
    const hidden = new FakeMember({
      'tools/list': () => {
        throw new GatewayError('UNKNOWN_DESTINATION', 'no destination has that name');
      },
      'tools/call': () => {
        throw new GatewayError('UNKNOWN_DESTINATION', 'no destination has that name');
      },
    });
    const { ask } = await federate({}, { a: hidden, b: new FakeMember({}), c: toolsMember('get') });
    const listed = await ask('tools/list');
    expect([namesIn(listed), lacking(listed)]).toEqual([['c_get'], undefined]);
    expect(listed.message.result?.cacheScope).toBe('private');
    const { message } = await ask('tools/call', { name: 'a_get' });
    expect(message.error).toEqual({ code: -32602, message: 'Unknown tool: a_get' });
  });
});

describe('pages', () => {
  const paged = (count: number, size: number) =>
    new FakeMember({
      'tools/list': ({ cursor }) => {
        const from = Number(cursor ?? 0);
        const tools = Array.from({ length: Math.min(size, count - from) }, (_, i) => ({ name: `t${from + i}` }));
        return { tools, ...(from + size < count ? { nextCursor: String(from + size) } : {}) };
      },
    });

  it('go on as long as any member’s do', async () => {
    const { ask } = await federate({}, { a: paged(5, 2), b: paged(2, 2), c: paged(1000, 300) });
    const names: unknown[] = [];
    let cursor: unknown;
    let pages = 0;
    do {
      const listed = await ask('tools/list', cursor === undefined ? {} : { cursor });
      names.push(...namesIn(listed));
      cursor = listed.message.result?.nextCursor;
      pages += 1;
    } while (cursor !== undefined);
    expect([pages, names.length, new Set(names).size]).toEqual([4, 1007, 1007]);
  });

  it('a member whose cursor is past all measure is said to be missing', async () => {
    const odd = new FakeMember({ 'tools/list': () => ({ tools: [], nextCursor: 'x'.repeat(20_000) }) });
    const { ask } = await federate({}, { a: odd, b: toolsMember('get') });
    expect(lacking(await ask('tools/list'))).toEqual([{ member: 'a', code: 'UPSTREAM_GARBAGE' }]);
  });

  it.each([
    'x',
    '',
    Buffer.from('[["nobody","1"]]').toString('base64url'),
    Buffer.from('[["a",null]]').toString('base64url'),
    Buffer.from('[["a","1"],["a","2"]]').toString('base64url'),
    Buffer.from('{}').toString('base64url'),
    'x'.repeat(3_000_001),
  ])('an odd cursor is -32602', async (cursor) => {
    const { ask, members } = await federate({}, { a: paged(5, 2) });
    expect((await ask('tools/list', { cursor })).message.error?.code).toBe(-32602);
    expect(members.get('a')?.asked).toEqual([]);
  });
});

describe('what is no envelope of 2026-07-28', () => {
  const body = (method: string, params: object) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });

  it.each([
    ['without _meta', body('tools/list', {}), 400, -32602],
    ['initialize', body('initialize', { protocolVersion: '2025-11-25' }), 400, -32022],
    [
      'another revision',
      body('tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2099-01-01' } }),
      400,
      -32022,
    ],
    [
      'without capabilities',
      body('tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }),
      400,
      -32602,
    ],
  ])('%s', async (_, text, status, code) => {
    const { ask } = await federate({}, { a: toolsMember('get') });
    const said = await ask('x', {}, { body: text });
    expect([said.status, said.message.error?.code]).toEqual([status, code]);
  });

  it('initialize in an envelope of 2026-07-28, and methods of tasks that are gone, are methods that aren’t there', async () => {
    const { ask } = await federate({}, { a: toolsMember('x'), b: toolsMember('y') });
    for (const method of ['initialize', 'tasks/list', 'tasks/result', 'ping']) {
      expect(await ask(method)).toMatchObject({ status: 404, message: { error: { code: -32601 } } });
    }
  });

  it('an unknown method is a 404, unless there is only one whose it can be', async () => {
    const two = await federate({}, { a: toolsMember('x'), b: toolsMember('y') });
    expect(await two.ask('vendor/ask')).toMatchObject({ status: 404, message: { error: { code: -32601 } } });
    const one = await federate({}, { a: new FakeMember({ 'vendor/ask': () => ({ yes: true }) }) });
    expect((await one.ask('vendor/ask')).message.result).toMatchObject({ yes: true });
  });
});
