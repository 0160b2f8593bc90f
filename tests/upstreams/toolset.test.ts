import * as z from 'zod';
import type { Credential } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { CredentialRefused, ToolError } from '../../src/core/toolErrors.js';
import { createProxyClient } from '../../src/gateway/proxyClient.js';
import { callerLeft } from '../../src/wire/explain.js';
import { FakeBroker, FakeClock } from '../helpers/fakes.js';
import { countTokens } from '../helpers/tokens.js';
import { answered, exchangeOf, type Json, META, textOf, toolOf, toolsetWorld } from './toolsetWorld.js';

const SECRET = 'never-in-an-answer';
const credential: Credential = {
  headers: ['authorization', `Bearer ${SECRET}`],
  token: { value: SECRET, obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY },
};

/** Something that a test waits for, and what it is waited for with. */
function gate<Value = void>() {
  let open: (value: Value) => void = () => {};
  const passed = new Promise<Value>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

describe('the list', () => {
  const search = toolOf('search', async () => ({}), {
    title: 'Search',
    input: z.strictObject({ query: z.string().min(1), limit: z.int().min(1).default(10) }),
    output: z.object({ total: z.int(), names: z.array(z.string()) }),
  });
  const drop = toolOf('drop', async () => ({}), { effect: 'destroy', version: '2.1.0', deprecated: 'remove' });
  const touch = toolOf('touch', async () => ({}), { effect: 'write', idempotent: true });

  it('says what each tool takes, gives, and does to the world, and no idle word', async () => {
    const world = await toolsetWorld([search, drop, touch]);
    const { result } = await world.ask('tools/list');
    const input = {
      type: 'object',
      properties: {
        query: { type: 'string', minLength: 1 },
        limit: { type: 'integer', minimum: 1, default: 10 },
      },
      required: ['query'],
      additionalProperties: false,
    };
    const names = { type: 'array', items: { type: 'string' } };
    const output = { type: 'object', properties: { total: { type: 'integer' }, names }, required: ['total', 'names'] };
    const empty = { type: 'object', properties: {}, additionalProperties: false };
    const writes = { readOnlyHint: false, openWorldHint: false };
    expect(result.tools).toEqual([
      {
        name: 'search',
        title: 'Search',
        description: 'Does search.',
        inputSchema: input,
        outputSchema: output,
        annotations: { readOnlyHint: true, openWorldHint: false },
        _meta: { version: '1.0.0' },
      },
      {
        name: 'drop',
        description: 'Deprecated: call remove instead. Does drop.',
        inputSchema: empty,
        annotations: { ...writes, destructiveHint: true, idempotentHint: false },
        _meta: { version: '2.1.0', deprecated: 'remove' },
      },
      {
        name: 'touch',
        description: 'Does touch.',
        inputSchema: empty,
        annotations: { ...writes, destructiveHint: false, idempotentHint: true },
        _meta: { version: '1.0.0' },
      },
    ]);
    expect([countTokens(result) > 100, countTokens(result) < 400]).toEqual([true, true]);
  });

  it.each([
    [{ include: ['things.*'] }, ['search', 'drop']],
    [{ include: ['search'] }, ['search']],
    [{ exclude: ['things.dr*'] }, ['search', 'other']],
    [{ include: ['*'], exclude: ['other', 'search'] }, ['drop']],
    [{ include: ['other.other', 'drop'] }, ['drop', 'other']],
    [{ include: ['other.search'] }, []],
  ])('%j shows %j, and lets nothing else be called', async (options, names) => {
    const other = toolOf('other', async () => ({}), { category: 'other' });
    const world = await toolsetWorld([search, drop, other], { options });
    const { result } = await world.ask('tools/list');
    expect((result.tools as Json[]).map(({ name }) => name)).toEqual(names);
    for (const name of ['search', 'drop', 'other'].filter((each) => !names.includes(each))) {
      expect(world.upstream.offers?.(name)).toBe(false);
      expect((await world.call(name)).error).toMatchObject({ code: -32602, message: `Unknown tool: ${name}` });
    }
    expect(names.filter((name) => !world.upstream.offers?.(name))).toEqual([]);
  });

  it('is not silent about a pattern that is the name of no tool', async () => {
    const options = { include: ['thing.*', 'search', 'things.d*'], exclude: ['nothing'] };
    const { signals } = await toolsetWorld([search, drop], { options });
    expect(signals.named('toolset.idle-pattern')).toEqual([
      { destination: 'tools', pattern: 'thing.*' },
      { destination: 'tools', pattern: 'nothing' },
    ]);
  });

  it('of two tools with one name is none', async () => {
    const closed = gate();
    const close = async () => closed.open();
    await expect(toolsetWorld([search, search], { toolset: { close } })).rejects.toThrow('two tools are called search');
    await closed.passed;
  });

  it('comes with how the tools work together', async () => {
    const world = await toolsetWorld([search], { toolset: { instructions: 'Search first.' } });
    const { result } = await world.ask('server/discover');
    expect(result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      instructions: 'Search first.',
      capabilities: { tools: { listChanged: true } },
    });
  });
});

describe('a call', () => {
  const sum = toolOf('sum', async ({ a, b }) => ({ sum: Number(a) + Number(b) }), {
    input: z.strictObject({ a: z.int(), b: z.int().default(1) }),
    output: z.object({ sum: z.int() }),
  });

  it('is answered as JSON, structured and as text', async () => {
    const world = await toolsetWorld([sum]);
    const { reply } = world.open('tools/call', { name: 'sum', arguments: { a: 2 } }, { id: 'x' });
    const { headers } = await reply;
    expect(headers).toEqual(expect.arrayContaining(['content-type', 'application/json']));
    const { result, messages } = await answered(await reply);
    expect(result).toMatchObject({ structuredContent: { sum: 3 }, content: [{ type: 'text', text: '{"sum":3}' }] });
    expect([messages.length, messages[0]?.id, result.isError]).toEqual([1, 'x', undefined]);
  });

  it('with wrong arguments is told which, and never what they were', async () => {
    const world = await toolsetWorld([sum]);
    const said = await world.call('sum', { a: SECRET, c: 1 });
    expect(said.result.isError).toBe(true);
    expect(textOf(said)).toBe(
      'The arguments are wrong: a: Invalid input: expected number, received string; Unrecognized key: "c".',
    );
  });

  it('hears what the tool has to say, and nothing of why it broke', async () => {
    const world = await toolsetWorld([
      toolOf('says', () => Promise.reject(new ToolError('There is no such app: search for it.'))),
      toolOf('breaks', () => Promise.reject(new Error(SECRET))),
      toolOf('lies', async () => ({ total: SECRET }), { output: z.object({ total: z.int() }) }),
    ]);
    const says = await world.call('says');
    expect([says.result.isError, textOf(says)]).toEqual([true, 'There is no such app: search for it.']);
    for (const tool of ['breaks', 'lies']) {
      const said = await world.call(tool);
      expect([said.result.isError, textOf(said).includes('request-1')]).toEqual([true, true]);
      expect(JSON.stringify(said)).not.toContain(SECRET);
    }
    expect(world.signals.named('tool.failed')).toEqual([
      { requestId: 'request-1', destination: 'tools', tool: 'breaks', cause: expect.stringContaining('Error') },
      { requestId: 'request-1', destination: 'tools', tool: 'lies', cause: expect.stringContaining('total') },
    ]);
  });

  it('gets no more of an answer than its schema names', async () => {
    const world = await toolsetWorld([
      toolOf('talks', async () => ({ sum: 1, internal: SECRET }), { output: z.object({ sum: z.int() }) }),
    ]);
    expect((await world.call('talks')).result.structuredContent).toEqual({ sum: 1 });
  });

  it('is never answered with a part of what is too large', async () => {
    const rows = (bytes: number) => ({ rows: 'é'.repeat(bytes / 2 - 6) });
    const world = await toolsetWorld([
      toolOf('fits', async () => rows(1024 * 1024)),
      toolOf('swells', async () => rows(1024 * 1024 + 2)),
    ]);
    expect((await world.call('fits')).result.structuredContent).toEqual(rows(1024 * 1024));
    const said = await world.call('swells');
    expect([said.result.isError, said.result.structuredContent]).toEqual([true, undefined]);
    expect(textOf(said)).toMatch(/1\.0 MiB of JSON, where at most 1 MiB is given\. Ask for less/);
  });

  it('knows whose it is, and what may be shown to the vendor', async () => {
    const seen: unknown[] = [];
    const world = await toolsetWorld([
      toolOf('look', async (_args, { owner, credential: shown }) => {
        seen.push(owner, shown);
        return {};
      }),
    ]);
    const principal = { subject: 'keys:a', tenant: 'red', roles: ['r'], claims: { secret: 1 } };
    await world.call('look', {}, { principal, credential });
    await world.call('look');
    expect(seen).toEqual([{ subject: 'keys:a', tenant: 'red' }, credential, null, undefined]);
  });

  it('is one of many under the same id, and each gets its own answer', async () => {
    const world = await toolsetWorld([
      toolOf(
        'back',
        async ({ n }) => {
          await new Promise((resolve) => setTimeout(resolve, Number(n) % 7));
          return { n };
        },
        { input: z.strictObject({ n: z.int() }) },
      ),
    ]);
    const calls = Array.from({ length: 200 }, async (_, n) => {
      const { result, messages } = await world.call('back', { n }, { id: 1 });
      return [messages[0]?.id, (result.structuredContent as Json).n];
    });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 200 }, (_, n) => [1, n]));
  });

  it('may be repeated where the tool only reads, or is idempotent', async () => {
    const tools = [
      toolOf('reads', async () => ({})),
      toolOf('writes', async () => ({}), { effect: 'write' }),
      toolOf('puts', async () => ({}), { effect: 'destroy', idempotent: true }),
    ];
    const { upstream } = await toolsetWorld(tools);
    const isSafe = (name: string) => {
      const { call } = exchangeOf('tools/call', { name, arguments: {} });
      return call && upstream.safeToRepeat(call);
    };
    expect(['reads', 'writes', 'puts', 'nothing'].map(isSafe)).toEqual([true, false, true, false]);
  });
});

describe('a vendor', () => {
  it('that is down fails the call as a whole, so that breakers count it', async () => {
    const down = new GatewayError('UPSTREAM_UNREACHABLE', 'the tenant can’t be reached', { neverSent: true });
    const world = await toolsetWorld([toolOf('get', () => Promise.reject(down))]);
    await expect(world.open('tools/call', { name: 'get', arguments: {} }).reply).rejects.toBe(down);
    expect(world.signals.emitted).toEqual([]);
  });

  it('that says nothing in time is given up, and its tool told', async () => {
    const told = gate<unknown>();
    const world = await toolsetWorld(
      [
        toolOf(
          'hang',
          (_args, { signal }) => new Promise(() => signal.addEventListener('abort', () => told.open(signal.reason))),
        ),
      ],
      { firstByteMs: 10 },
    );
    const { reply } = world.open('tools/call', { name: 'hang', arguments: {} });
    await expect(reply).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', neverSent: false });
    expect(await told.passed).toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  });

  it('that takes long is waited for as long as its tool says that it goes on, heard or not', async () => {
    const world = await toolsetWorld(
      [
        toolOf('work', async (_args, { signal, progress }) => {
          for (let i = 0; i < 10; i++) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            signal.throwIfAborted();
            progress(i);
          }
          return { done: true };
        }),
      ],
      { firstByteMs: 250 },
    );
    expect((await world.call('work')).result.structuredContent).toEqual({ done: true });
  });

  const refuses = toolOf('get', async (_args, { credential: shown }) => {
    if (!shown?.headers.includes('Bearer token-2')) throw new CredentialRefused('the tenant refuses the token');
    return { got: true };
  });

  it('that refuses the credential answers 401, where one was shown', async () => {
    const world = await toolsetWorld([refuses]);
    expect((await world.call('get', {}, { credential })).status).toBe(401);
    const { reply } = world.open('tools/call', { name: 'get', arguments: {} });
    await expect(reply).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
  });

  it('is asked once more with a fresh credential, by the attempt chain', async () => {
    const { upstream, signals } = await toolsetWorld([refuses]);
    const broker = new FakeBroker();
    const breaker = { assertAdmits: () => {}, closed: true, count: () => {} };
    const rules = { temporary: new Set(), sick: new Set(), retry: { attempts: 1 } };
    const protection = () => ({ breakers: { of: () => breaker }, budget: { deposit: () => {} }, rules });
    const client = createProxyClient({ broker, clock: new FakeClock(), signals, protection: protection as never });
    const exchange = exchangeOf('tools/call', { name: 'get', arguments: {} });
    const url = new URL('https://tenant.example.com');
    exchange.route = { destination: 'tools', upstream, url, publicOnly: false, credential: 'jobs' };
    const { result } = await answered(await client(exchange));
    expect([result.structuredContent, broker.issued]).toEqual([{ got: true }, 2]);
    expect(signals.named('attempt.replayed')).toHaveLength(1);
  });
});

describe('progress', () => {
  const steps = toolOf('steps', async (_args, { progress }) => {
    progress(1, 3, 'one');
    progress(2);
    return { done: true };
  });
  const asking = { name: 'steps', arguments: {}, _meta: { progressToken: 'p' } };

  it('makes an event stream of the answer, for whoever asked for it', async () => {
    const world = await toolsetWorld([steps]);
    const { messages } = await world.ask('tools/call', asking);
    expect(messages).toMatchObject([
      { method: 'notifications/progress', params: { progressToken: 'p', progress: 1, total: 3, message: 'one' } },
      { method: 'notifications/progress', params: { progressToken: 'p', progress: 2 } },
      { id: 7, result: { structuredContent: { done: true } } },
    ]);
  });

  it.each([
    ['did not ask', {}, ['accept', 'application/json, text/event-stream']],
    ['takes no streams', { _meta: { progressToken: 1 } }, ['accept', 'application/json']],
  ])('is not told to whoever %s', async (_who, more, headers) => {
    const world = await toolsetWorld([steps]);
    const { messages } = await world.ask('tools/call', { name: 'steps', arguments: {}, ...more }, { headers });
    expect(messages).toHaveLength(1);
  });

  it('once told, a failure can only end the stream, and says what failed', async () => {
    const world = await toolsetWorld([
      toolOf('halfway', async (_args, { progress }) => {
        progress(1);
        throw new GatewayError('UPSTREAM_BROKE', 'the tenant broke off');
      }),
      toolOf('refused', async (_args, { progress }) => {
        progress(1);
        throw new CredentialRefused('the token is refused');
      }),
    ]);
    const codeOf = async (name: string) => {
      const said = await world.ask('tools/call', { name, arguments: {}, _meta: { progressToken: 1 } }, { credential });
      return [said.status, said.messages.length, said.error?.code, said.error?.data?.code];
    };
    expect(await codeOf('halfway')).toEqual([200, 2, -31000, 'UPSTREAM_BROKE']);
    expect(await codeOf('refused')).toEqual([200, 2, -31000, 'CREDENTIAL_REFUSED']);
    expect(world.late).toEqual(['UPSTREAM_BROKE', 'CREDENTIAL_REFUSED']);
  });
});

describe('who leaves', () => {
  it('ends the tool, and nobody is told that it broke', async () => {
    const [begun, ended] = [gate(), gate<unknown>()];
    const world = await toolsetWorld([
      toolOf('wait', (_args, { signal }) => {
        begun.open();
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            ended.open(signal.reason);
            reject(signal.reason);
          }),
        );
      }),
    ]);
    const { exchange, reply } = world.open('tools/call', { name: 'wait', arguments: {} });
    await begun.passed;
    exchange.leave(callerLeft());
    await expect(reply).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(await ended.passed).toMatchObject({ code: 'CALLER_LEFT' });
    await new Promise(setImmediate);
    expect(world.signals.emitted).toEqual([]);
  });

  it('in the middle of a stream ends the tool as well', async () => {
    const ended = gate<unknown>();
    const world = await toolsetWorld([
      toolOf('wait', (_args, { signal, progress }) => {
        progress(1);
        return new Promise(() => signal.addEventListener('abort', () => ended.open(signal.reason)));
      }),
    ]);
    const { reply } = world.open('tools/call', { name: 'wait', arguments: {}, _meta: { progressToken: 1 } });
    const { body } = await reply;
    if (typeof body !== 'function') throw new Error('no stream');
    body({ write: () => true, end: () => {}, fail: () => {} }).cancel();
    expect(await ended.passed).toMatchObject({ code: 'CALLER_LEFT' });
  });

  it('before the call begins calls nothing', async () => {
    let calls = 0;
    const world = await toolsetWorld([toolOf('count', async () => ({ calls: ++calls }))]);
    const exchange = exchangeOf('tools/call', { name: 'count', arguments: {} });
    exchange.leave(callerLeft());
    const route = { destination: 'tools', upstream: world.upstream } as never;
    const sent = world.upstream.send(exchange, { number: 1, route, credential: undefined });
    await expect(sent).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(calls).toBe(0);
  });
});

describe('what is no call of a tool', () => {
  it.each<[string, Parameters<Awaited<ReturnType<typeof toolsetWorld>>['ask']>, number, number]>([
    ['a method that is not there', ['resources/list'], 404, -32601],
    [
      'an envelope without capabilities',
      ['tools/list', {}, { meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }],
      400,
      -32602,
    ],
    [
      'a revision of the future',
      ['tools/list', {}, { meta: { ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' } }],
      400,
      -32022,
    ],
    ['a greeting of old', ['initialize', { protocolVersion: '2025-11-25' }, { meta: {} }], 400, -32022],
  ])('%s', async (_what, question, status, code) => {
    const world = await toolsetWorld([]);
    const said = await world.ask(...question);
    expect([said.status, said.error?.code]).toEqual([status, code]);
  });

  it('a GET', async () => {
    const world = await toolsetWorld([]);
    await expect(world.open('tools/list', {}, { method: 'GET' }).reply).rejects.toMatchObject({
      code: 'METHOD_NOT_ALLOWED',
    });
  });
});

describe('the life of a toolset', () => {
  it('begins with what is worth reading ahead, where there is such a thing; where that fails, calls are served', async () => {
    const warmUp = () => Promise.reject(new Error('no app of that id'));
    const world = await toolsetWorld([toolOf('get', async () => ({ got: 1 }))], { toolset: { warmUp } });
    await expect(world.upstream.warmUp?.(undefined)).rejects.toThrow('no app of that id');
    expect((await world.call('get')).result.structuredContent).toEqual({ got: 1 });
    expect((await toolsetWorld([])).upstream.warmUp).toBeUndefined();
  });

  it('ends with whatever is under way', async () => {
    const world = await toolsetWorld([toolOf('hang', () => new Promise(() => {}))]);
    const running = world.open('tools/call', { name: 'hang', arguments: {} }).reply;
    const listening = answered(
      await world.open('subscriptions/listen', { notifications: { toolsListChanged: true } }).reply,
    );
    const failed = expect(running).rejects.toMatchObject({ code: 'DRAINING' });
    await world.upstream.close();
    await failed;
    expect((await listening).result).toMatchObject({ resultType: 'complete' });
    expect(world.closed()).toBe(true);
    await expect(world.call('hang')).rejects.toMatchObject({ code: 'DRAINING' });
  });
});
