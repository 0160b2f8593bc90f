import type { Limits } from '../../src/bridge/modernToLegacyLimits.js';
import type { Reply } from '../../src/contracts.js';
import { Seal } from '../../src/core/seal.js';
import { callerLeft } from '../../src/wire/explain.js';
import { type EventStream, jsonReply } from '../../src/wire/messages.js';
import { type Caller, type Got, type Heard, ScriptedWorld, until } from './scriptedServer.js';

const FORMS = { elicitation: { form: {} }, roots: {} };
const ADA: Caller = { user: 'ada', capabilities: FORMS };
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: {} } };
const question = (id: string) => ({ id, method: 'elicitation/create', params: FORM });
const accepted = { action: 'accept', content: { name: 'Ada' } };

let world: ScriptedWorld;
/** The streams of the calls that the server was sent, in their order. */
let streams: { readonly id: number; readonly events: EventStream }[];

function start(limits: Partial<Limits> = {}, seal?: Seal): ScriptedWorld {
  world = new ScriptedWorld(limits, seal);
  streams = [];
  world.server.script = ({ message: { method, id } }, server): Reply | undefined => {
    if (method !== 'tools/call' && method !== 'tools/list') return undefined;
    const { reply, events } = server.stream(question('q1'));
    streams.push({ id: id as number, events });
    return reply;
  };
  return world;
}

beforeEach(() => start());
afterEach(() => world.bridge.close());

const say = (events: EventStream, message: object) =>
  events.send({ data: JSON.stringify({ jsonrpc: '2.0', ...message }) });

/** The server answers the call that it was sent as the `index`th. */
function finish(index = 0, result: object = { done: true }): void {
  const { id, events } = streams[index] as { id: number; events: EventStream };
  say(events, { id, result });
  events.end();
}

const call = (caller = ADA, params: object = {}) => world.call('tools/call', { name: 'a', ...params }, caller);

async function parked(caller = ADA): Promise<string> {
  const { last } = await call(caller);
  expect(last.result?.resultType).toBe('input_required');
  return last.result?.requestState as string;
}

const retry = (requestState: unknown, inputResponses: object = { 'input-1': accepted }, caller = ADA) =>
  world.open('tools/call', { name: 'a', requestState, inputResponses }, caller);

async function ended(got: Got): Promise<Got['messages'][number]> {
  await until(() => got.ended);
  return got.messages.at(-1) ?? {};
}

describe('a question of the server', () => {
  it('ends the request, whose retry goes on with the same call', async () => {
    const { last } = await call(ADA);
    expect(last.result).toEqual({
      resultType: 'input_required',
      inputRequests: { 'input-1': { method: 'elicitation/create', params: FORM } },
      requestState: expect.any(String),
    });
    const going = retry(last.result?.requestState, undefined, { ...ADA, id: 'new', progressToken: 'p' });
    await until(() => world.server.responses.length === 1);
    expect(world.server.responses).toEqual([{ jsonrpc: '2.0', id: 'q1', result: accepted }]);
    const { id, events } = streams[0] as { id: number; events: EventStream };
    say(events, { method: 'notifications/progress', params: { progressToken: id, progress: 1 } });
    finish();
    const got = await going;
    await ended(got);
    expect(got.messages).toMatchObject([
      { method: 'notifications/progress', params: { progressToken: 'p', progress: 1 } },
      { id: 'new', result: { resultType: 'complete', done: true } },
    ]);
    expect(world.server.of('tools/call')).toHaveLength(1);
    expect(world.server.of('notifications/cancelled')).toEqual([]);
  });

  it('is asked together with the others of the same breath, and what is left of them once more', async () => {
    const roots = { id: 'q2', method: 'roots/list' };
    world.server.script = ({ message: { method, id } }, server) => {
      if (method !== 'tools/call') return undefined;
      const { reply, events } = server.stream(question('q1'), roots);
      streams.push({ id: id as number, events });
      return reply;
    };
    const { last } = await call();
    expect(last.result?.inputRequests).toMatchObject({ 'input-1': {}, 'input-2': { method: 'roots/list' } });
    const again = await ended(await retry(last.result?.requestState));
    expect(again.result?.inputRequests).toEqual({ 'input-2': { method: 'roots/list' } });
    const going = retry(again.result?.requestState, { 'input-2': { roots: [] } });
    await until(() => world.server.responses.length === 2);
    finish();
    expect((await ended(await going)).result).toMatchObject({ done: true });
    expect(world.server.responses.map(({ id }) => id)).toEqual(['q1', 'q2']);
  });

  it('that comes beside the call is taken for that of the one that runs', async () => {
    world.server.script = ({ message: { method, id } }, server) => {
      if (method !== 'tools/call') return undefined;
      const { reply, events } = server.stream();
      streams.push({ id: id as number, events });
      return reply;
    };
    const going = call();
    await until(() => streams.length === 1 && world.server.standing !== undefined);
    say(world.server.standing as EventStream, question('beside'));
    expect((await going).last.result).toMatchObject({ resultType: 'input_required' });
  });

  it.each([
    ['that the client did not declare', 'tools/call', {}, question('q1')],
    ['in a mode that it did not declare', 'tools/call', { elicitation: { url: {} } }, question('q1')],
    [
      'with tools that it did not declare',
      'tools/call',
      { sampling: {} },
      {
        id: 'q1',
        method: 'sampling/createMessage',
        params: { tools: [] },
      },
    ],
    ['in the middle of a list', 'tools/list', FORMS, question('q1')],
    ['that nobody knows', 'tools/call', FORMS, { id: 'q1', method: 'x/y' }],
  ] as const)('%s is refused at once', async (_what, method, capabilities, asked) => {
    world.server.script = ({ message }, server) =>
      message.method === method ? server.stream(asked, { id: message.id, result: {} }).reply : undefined;
    const { last } = await world.call(method, { name: 'a' }, { capabilities });
    expect(last.result?.resultType).toBe('complete');
    await until(() => world.server.responses.length === 1);
    expect(world.server.responses).toMatchObject([{ id: 'q1', error: { code: -32601 } }]);
  });

  it('that the server takes back is not answered any more', async () => {
    const state = await parked();
    const { events } = streams[0] as { events: EventStream };
    say(events, { method: 'notifications/cancelled', params: { requestId: 'q1' } });
    finish();
    expect((await ended(await retry(state))).result).toMatchObject({ done: true });
    expect(world.server.responses).toEqual([]);
  });

  it('declined is a result as any other', async () => {
    const going = retry(await parked(), { 'input-1': { action: 'decline' } });
    await until(() => world.server.responses.length === 1);
    finish();
    await ended(await going);
    expect(world.server.responses).toMatchObject([{ id: 'q1', result: { action: 'decline' } }]);
  });
});

describe('the state that a caller keeps', () => {
  const why = async (state: unknown, caller: Caller = ADA, params: object = {}) => {
    const { last } = await call(caller, { requestState: state, inputResponses: { 'input-1': accepted }, ...params });
    expect(last.error?.code).toBe(-32602);
    expect(world.server.responses).toEqual([]);
    return last.error?.message;
  };

  it('opens nothing for another caller, or once it was changed', async () => {
    const state = await parked();
    const flipped = `${state.slice(0, -2)}${state.at(-2) === 'A' ? 'B' : 'A'}${state.at(-1)}`;
    for (const bad of [flipped, 'x', '', 7]) expect(await why(bad)).toMatch(/was not given/);
    expect(await why(state, { ...ADA, user: 'bob' })).toMatch(/was not given/);
    expect(await why(state, { capabilities: FORMS })).toMatch(/was not given/);
    expect(await why(state, { ...ADA, headers: ['x-api-key', 'k'] })).toMatch(/was not given/);
    expect(world.bridge.held.parked).toBe(1);
  });

  it('opens nothing but the call that it was given for', async () => {
    const state = await parked();
    expect(await why(state, ADA, { name: 'b' })).toMatch(/was not given/);
    expect(await why(state, ADA, { arguments: { x: 1 } })).toMatch(/other arguments/);
    const other = await world.call('prompts/get', { name: 'a', requestState: state }, ADA);
    expect(other.last.error?.code).toBe(-32602);
    const going = retry(state);
    await until(() => world.server.responses.length === 1);
    finish();
    expect((await ended(await going)).result).toMatchObject({ done: true });
  });

  it('opens it once', async () => {
    const state = await parked();
    const going = retry(state);
    await until(() => world.server.responses.length === 1);
    const { last } = await call(ADA, { requestState: state, inputResponses: { 'input-1': accepted } });
    expect(last.error?.message).toMatch(/answered already/);
    finish();
    await ended(await going);
  });

  it('is known as its own by another process, which can only say that the call is elsewhere', async () => {
    const seal = new Seal('s'.repeat(32));
    const first = start({}, seal);
    const state = await parked();
    start({}, seal);
    await expect(retry(state)).rejects.toMatchObject({ code: 'HELD_ELSEWHERE', hint: /without requestState/ });
    expect(world.server.responses).toEqual([]);
    await first.bridge.close();
  });
});

describe('a parked call', () => {
  it('is not cancelled by the end of its request', async () => {
    const got = await call();
    expect(got.ended).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(world.server.of('notifications/cancelled')).toEqual([]);
    expect(world.bridge.held).toEqual({ sessions: 1, parked: 1 });
  });

  it('waits so long and no longer', async () => {
    start({ parkMs: 60 });
    const state = await parked();
    await until(() => world.bridge.held.parked === 0);
    await until(() => world.server.of('notifications/cancelled').length === 1);
    const { id } = (world.server.of('tools/call')[0] as Heard).message;
    expect(world.server.of('notifications/cancelled')[0]?.message.params).toMatchObject({ requestId: id });
    expect((await ended(await retry(state))).error?.message).toMatch(/waited for too long/);
    expect(world.signals.named('bridge.call-expired')).toEqual([{ destination: 'scripted', method: 'tools/call' }]);
  });

  it('finds no place where its caller has too many, or all have', async () => {
    start({ parkedPerOwner: 2, parked: 3 });
    await parked();
    await parked();
    await expect(call()).rejects.toMatchObject({ code: 'OVERLOADED' });
    await until(() => world.server.of('notifications/cancelled').length === 1);
    await parked({ ...ADA, user: 'bob' });
    await expect(call({ ...ADA, user: 'carl' })).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(world.bridge.held.parked).toBe(3);
  });

  it('keeps what the server said meanwhile', async () => {
    const state = await parked();
    finish();
    expect((await ended(await retry(state))).result).toMatchObject({ resultType: 'complete', done: true });
    expect(world.server.responses).toEqual([]);
  });

  it('stays where the server refuses the answer for its credential', async () => {
    const state = await parked();
    const { script } = world.server;
    world.server.script = ({ message }) =>
      message.method === undefined ? jsonReply('{"error":"token"}', ['www-authenticate', 'Bearer'], 401) : undefined;
    const refused = await retry(state);
    expect([refused.status, refused.headers.includes('www-authenticate')]).toEqual([401, true]);
    world.server.script = script;
    const going = retry(state);
    await until(() => world.server.responses.length === 2);
    finish();
    expect((await ended(await going)).result).toMatchObject({ done: true });
  });

  it('is over where the server forgot its session', async () => {
    const state = await parked();
    world.server.alive.clear();
    await expect(retry(state)).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    expect(world.bridge.held.parked).toBe(0);
  });

  it('is cancelled where its retry is cut', async () => {
    const state = await parked();
    world.server.script = ({ message, verb }) =>
      message.method === undefined && verb === 'POST' ? new Promise(() => {}) : undefined;
    const exchange = world.exchange(
      'tools/call',
      { name: 'a', requestState: state, inputResponses: { 'input-1': accepted } },
      ADA,
    );
    const reply = world.bridge.send(exchange, world.attempt());
    await until(() => world.server.responses.length === 1);
    exchange.leave(callerLeft());
    await expect(reply).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    await until(() => world.server.of('notifications/cancelled').length === 1);
  });

  it('is cancelled with the bridge', async () => {
    await parked();
    await world.bridge.close();
    await until(() => world.server.of('notifications/cancelled').length === 1);
    expect(world.bridge.held).toEqual({ sessions: 0, parked: 0 });
  });

  it('must be answered with objects', async () => {
    const state = await parked();
    expect((await ended(await retry(state, { 'input-1': 'yes' }))).error?.code).toBe(-32602);
    expect(world.bridge.held.parked).toBe(1);
  });
});

describe('an error that asks for URLs', () => {
  const URLS = { elicitation: { url: {} } };
  const elicitations = [{ mode: 'url', elicitationId: 'e', url: 'https://example.com', message: 'Log in' }];
  beforeEach(() => {
    world.server.script = ({ message: { method, id } }, server) => {
      if (method !== 'tools/call') return undefined;
      const first = server.of('tools/call').length === 1;
      return first
        ? jsonReply({ jsonrpc: '2.0', id, error: { code: -32042, message: 'Log in', data: { elicitations } } })
        : server.result({ id: id as number }, { done: true });
    };
  });

  it('is a question, after which the call is made again', async () => {
    const caller = { user: 'ada', capabilities: URLS };
    const { last } = await call(caller);
    const { inputRequests, requestState } = last.result as { inputRequests: object; requestState: string };
    expect(inputRequests).toEqual({
      'url-1': { method: 'elicitation/create', params: { mode: 'url', url: 'https://example.com', message: 'Log in' } },
    });
    const declined = await call(caller, { requestState, inputResponses: { 'url-1': { action: 'decline' } } });
    expect(declined.last.error?.code).toBe(-32603);
    expect(world.server.of('tools/call')).toHaveLength(1);
    const again = await call(caller, { requestState, inputResponses: { 'url-1': { action: 'accept' } } });
    expect(again.last.result).toMatchObject({ done: true });
  });

  it('is the want of a capability where the client did not declare it', async () => {
    const { status, last } = await call();
    expect(status).toBe(400);
    expect(last.error).toMatchObject({ code: -32021, data: { requiredCapabilities: { elicitation: { url: {} } } } });
  });
});
