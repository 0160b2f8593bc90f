import type { EventStream } from '../../src/wire/messages.js';
import { EventStream as Stream } from '../../src/wire/messages.js';
import { broken, error, FakeMember, type Federated, federate, type Json, lacking, namesIn } from './federationWorld.js';

const ANSWERS = 'inputResponses';

/** A member with resources of these URIs and templates; it answers a read of anything that begins with `mine`. */
function resourcesMember(uris: string[], templates: string[] = [], mine = 'none:'): FakeMember {
  return new FakeMember({
    'resources/list': () => ({ resources: uris.map((uri) => ({ uri, name: uri })) }),
    'resources/templates/list': () => ({ resourceTemplates: templates.map((uriTemplate) => ({ uriTemplate })) }),
    'resources/read': ({ uri }, exchange) =>
      uris.includes(String(uri)) || templates.length > 0 || String(uri).startsWith(mine)
        ? { contents: [{ uri, text: 'x' }] }
        : error(exchange, 200, -32602, 'not found'),
    'completion/complete': ({ ref }) => ({ completion: { values: [JSON.stringify(ref)] } }),
  });
}

const countsOf = ({ members }: Federated, method: string) =>
  [...members].map(([, member]) => member.methods().filter((each) => each === method).length);

describe('resources', () => {
  it('keep their URIs; of two with one, the first member has it', async () => {
    const { ask, members } = await federate(
      {},
      { a: resourcesMember(['x://1', 'x://2']), b: resourcesMember(['x://2', 'x://3']) },
    );
    expect(namesIn(await ask('resources/list'), 'resources', 'uri')).toEqual(['x://1', 'x://2', 'x://3']);
    expect((await ask('resources/read', { uri: 'x://2' })).message.result).toMatchObject({ contents: [{ text: 'x' }] });
    expect((await ask('resources/read', { uri: 'x://3' })).message.result).toBeDefined();
    expect([...members.values()].map((member) => member.methods().includes('resources/read'))).toEqual([true, true]);
  });

  it('of a template go to who has it, found without any list before', async () => {
    const world = await federate({}, { a: resourcesMember(['x://1']), b: resourcesMember([], ['x://{id}/data']) });
    const templates = await world.ask('resources/templates/list');
    expect(namesIn(templates, 'resourceTemplates', 'uriTemplate')).toEqual(['x://{id}/data']);
    await world.ask('resources/read', { uri: 'x://42/data' });
    expect(countsOf(world, 'resources/read')).toEqual([0, 1]);
  });

  it('that nobody lists are of the first who can read them, and nobody else gets what a person answered', async () => {
    const world = await federate({}, { a: resourcesMember(['a:1']), b: resourcesMember(['b:1'], [], 'b:') });
    const params = { uri: 'b:unlisted', [ANSWERS]: { q: { content: 'secret' } }, requestState: 'state' };
    expect((await world.ask('resources/read', params)).message.result).toBeDefined();
    const asked = [...world.members.values()].flatMap(({ asked: all }) =>
      all.filter(({ method }) => method === 'resources/read').map((each) => ANSWERS in each.params),
    );
    expect(asked).toEqual([false, false, true]);
    await world.ask('resources/read', params);
    expect(countsOf(world, 'resources/read')).toEqual([1, 3]);
    expect((await world.ask('resources/read', { uri: 'c:1' })).message.error?.code).toBe(-32602);
  });

  it('one that may be of a member that fails isn’t said to be unknown', async () => {
    const { open } = await federate(
      {},
      { a: new FakeMember({ 'resources/list': broken, 'resources/templates/list': broken }), b: resourcesMember([]) },
    );
    await expect(open('resources/read', { uri: 'a:1' }).reply).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  });
});

describe('prompts, completions and tasks', () => {
  const prompts = () =>
    new FakeMember({
      'prompts/list': () => ({ prompts: [{ name: 'ask' }] }),
      'prompts/get': ({ name }) => ({ messages: [], description: String(name) }),
      'completion/complete': ({ ref }) => ({ completion: { values: [String((ref as Json).name)] } }),
    });

  it('prompts and their completions go to their member under its own name', async () => {
    const { ask } = await federate({}, { a: prompts(), b: prompts() });
    expect(namesIn(await ask('prompts/list'), 'prompts')).toEqual(['a_ask', 'b_ask']);
    expect((await ask('prompts/get', { name: 'b_ask' })).message.result?.description).toBe('ask');
    const ref = { type: 'ref/prompt', name: 'a_ask' };
    expect((await ask('completion/complete', { ref })).message.result?.completion).toEqual({ values: ['ask'] });
  });

  it('completions of a template go to who has it', async () => {
    const world = await federate({}, { a: resourcesMember([], ['a:{x}']), b: resourcesMember([], ['b:{x}']) });
    await world.ask('completion/complete', { ref: { type: 'ref/resource', uri: 'b:{x}' } });
    expect(countsOf(world, 'completion/complete')).toEqual([0, 1]);
  });

  it('a task is of whoever knows it', async () => {
    const tasks = (id: string) =>
      new FakeMember({
        'tasks/get': ({ taskId }, exchange) =>
          taskId === id ? { taskId, status: 'working' } : error(exchange, 200, -32602, 'unknown'),
        'tasks/cancel': () => ({}),
      });
    const world = await federate({}, { a: tasks('1'), b: tasks('2') });
    expect((await world.ask('tasks/cancel', { taskId: '2' })).message.result).toBeDefined();
    expect([countsOf(world, 'tasks/cancel'), countsOf(world, 'tasks/get')]).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect((await world.ask('tasks/get', { taskId: '3' })).message.error?.code).toBe(-32602);
  });

  it('what needs input passes byte for byte, and so does the retry', async () => {
    const member = new FakeMember({
      'tools/call': ({ requestState }) =>
        requestState === undefined
          ? { resultType: 'input_required', inputRequests: { q: {} }, requestState: 'ä"/🙂' }
          : { content: [{ type: 'text', text: String(requestState) }] },
    });
    const { ask } = await federate({}, { a: member, b: new FakeMember({}) });
    const first = await ask('tools/call', { name: 'a_t' });
    expect(first.message.result).toMatchObject({ resultType: 'input_required', requestState: 'ä"/🙂' });
    const again = await ask('tools/call', { name: 'a_t', requestState: 'ä"/🙂', inputResponses: {} });
    expect(again.message.result?.content).toEqual([{ type: 'text', text: 'ä"/🙂' }]);
  });

  it('a stream passes as it comes, and a caller that leaves is mirrored', async () => {
    let left = 0;
    const stream: EventStream = new Stream(() => {
      left += 1;
    });
    const member = new FakeMember({ 'tools/call': () => stream.reply() });
    const { open } = await federate({}, { a: member });
    const { exchange, reply } = open('tools/call', { name: 'a_t' });
    const written: string[] = [];
    const { body } = await reply;
    const sink = { write: (chunk: Buffer) => written.push(String(chunk)) > 0, end() {}, fail() {} };
    const flow = typeof body === 'function' ? body(sink) : undefined;
    stream.send({ data: '{"method":"notifications/progress"}' });
    expect(written.join('')).toContain('notifications/progress');
    exchange.leave(new (await import('../../src/core/errors.js')).GatewayError('CALLER_LEFT', 'left'));
    flow?.cancel();
    expect([left, member.asked[0]?.exchange.gone, member.ended]).toEqual([1, true, 1]);
  });
});

describe('server/discover', () => {
  const says = (capabilities: Json, instructions?: string) =>
    new FakeMember({
      'server/discover': () => ({
        supportedVersions: ['2026-07-28', '2025-11-25'],
        capabilities,
        ...(instructions === undefined ? {} : { instructions }),
        ttlMs: 5,
        cacheScope: 'public',
      }),
    });

  it('is what any member can do', async () => {
    const { ask } = await federate(
      {},
      {
        a: says({ tools: {}, extensions: { x: { a: 1 } } }, 'Use a.'),
        b: says({ tools: { listChanged: false }, resources: { subscribe: true }, extensions: { x: { b: 2 } } }),
        c: says({ completions: {} }, 'z'.repeat(20_000)),
      },
    );
    const { result } = (await ask('server/discover')).message;
    expect(result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        completions: {},
        extensions: { x: { a: 1, b: 2 } },
      },
      ttlMs: 5,
      cacheScope: 'public',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'all' } },
    });
    expect(result?.capabilities).not.toHaveProperty('prompts');
    expect(String(result?.instructions)).toMatch(/^# a\n\nUse a\.\n\n# c\n\nz+…$/);
    expect(String(result?.instructions).length).toBeLessThan(6_000);
  });

  it('goes without a member that fails, says so, and doesn’t rule out what that may have', async () => {
    const { ask } = await federate({}, { a: new FakeMember({ 'server/discover': broken }), b: says({ tools: {} }) });
    const discovered = await ask('server/discover');
    expect(lacking(discovered)).toEqual([{ member: 'a', code: 'UPSTREAM_UNREACHABLE' }]);
    expect(discovered.message.result).toMatchObject({
      capabilities: { prompts: { listChanged: true }, resources: { listChanged: true } },
      ttlMs: 0,
      cacheScope: 'private',
    });
  });
});
