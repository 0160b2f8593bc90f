import type { Exchange, Flow, Principal, Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { RequestIds } from '../../src/edge/exchanges.js';
import { SseDoor, type SseWays } from '../../src/edge/sseDoor.js';
import { acceptedReply, jsonReply } from '../../src/wire/messages.js';
import { EventSplitter, readEvent, type ServerSentEvent } from '../../src/wire/sse.js';
import { FakeClock, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const ada: Principal = { subject: 'keys:ada', roles: [], claims: {} };
const bob: Principal = { subject: 'keys:bob', roles: [], claims: {} };

describe('the door of HTTP+SSE', () => {
  let door: SseDoor;
  let passed: Exchange[];
  let answer: (exchange: Exchange) => Reply | Promise<Reply>;

  beforeEach(() => {
    passed = [];
    answer = () => jsonReply({ jsonrpc: '2.0', id: 1, result: {} });
    const ways: SseWays = {
      open: () => acceptedReply(),
      post: (exchange) => door.join(exchange, door.say),
      message: (exchange) => {
        passed.push(exchange);
        return door.admitting(answer)(exchange);
      },
      refuse: (_exchange, error) => ({ ...acceptedReply(), status: (error as GatewayError).status, origin: 'gateway' }),
      atRoot: false,
    };
    door = new SseDoor({ clock: new FakeClock(), ids: new RequestIds(), ways: () => ways, most: 4, mostOfOne: 2 });
  });

  function open(principal?: Principal, target = '/sse/old', headers: Record<string, string> = {}, prefix = '') {
    const decision = { strategy: 'PROXY', destination: 'old', by: 'path' } as const;
    const exchange = fakeExchange(fakeInbound(target, headers, 'GET'), {
      decision,
      ...(principal ? { principal } : {}),
    });
    const reply = door.opening({ prefix, maxBodyBytes: 1000 })(exchange) as Reply;
    const events: ServerSentEvent[] = [];
    const splitter = new EventSplitter((bytes) => events.push(readEvent(bytes)));
    const sink = { write: (chunk: Buffer) => splitter.write(chunk), end() {}, fail() {} };
    const flow = (reply.body as (into: typeof sink) => Flow)(sink);
    return { reply, exchange, events, leave: () => flow.cancel(), endpoint: events[0]?.data ?? '' };
  }

  function post(endpoint: string, principal?: Principal, message: object = { id: 1, method: 'ping' }, headers = {}) {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const inbound = fakeInbound(endpoint, { 'Content-Type': 'application/json', ...headers }, 'POST', body);
    return door.post(fakeExchange(inbound, principal ? { principal } : {}));
  }

  it('says first where messages go, under the prefix that the world sees', () => {
    expect(open(ada).events).toEqual([
      { event: 'endpoint', data: expect.stringMatching(/^\/messages\?sessionId=[\w-]{43}$/) },
    ]);
    expect(open(ada, '/mcp/events', {}, '/gateway').endpoint).toMatch(/^\/gateway\/mcp\/messages\?sessionId=/);
  });

  it('has room for so many of one caller, and so many of all', () => {
    const first = open(ada);
    open(ada);
    expect(() => open(ada)).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED' }));
    open(bob);
    open(bob);
    expect(() => open({ ...ada, subject: 'keys:eve' })).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    first.leave();
    expect(door.size).toBe(3);
    open(ada);
    expect(door.size).toBe(4);
  });

  it('tells a caller of one tenant from one of the same name in another', async () => {
    const { endpoint } = open({ ...ada, tenant: 'acme' });
    expect((await post(endpoint, { ...ada, tenant: 'globex' })).status).toBe(404);
    expect((await post(endpoint, ada)).status).toBe(404);
    expect((await post(endpoint)).status).toBe(404);
    expect((await post(endpoint, { ...ada, tenant: 'acme' })).status).toBe(202);
  });

  it('passes each message with what its own POST says, and the destination of the GET', async () => {
    const { endpoint, events } = open(ada, '/sse?team=blue', { 'X-Btp-Destination': 'old', 'X-Of-The-Get': '1' });
    const fresh = { ...ada, roles: ['since then'] };
    const said = { 'X-Of-The-Post': '2', 'X-Mcp-Destination': 'other', 'X-Session-Id': 'x' };
    expect((await post(endpoint, fresh, undefined, said)).status).toBe(202);
    const [exchange] = passed;
    expect(exchange?.request.target).toBe('/mcp?team=blue');
    expect(exchange?.principal).toBe(fresh);
    const lines = exchange?.request.headerLines.join('\n').toLowerCase();
    expect(lines).toContain('x-btp-destination\nold');
    expect(lines).toContain('x-of-the-post\n2');
    for (const absent of ['x-of-the-get', 'x-mcp-destination', 'x-session-id']) expect(lines).not.toContain(absent);
    expect(events.at(-1)).toEqual({ event: 'message', data: '{"jsonrpc":"2.0","id":1,"result":{}}' });
  });

  it('answers the POST of a notification that is refused by its status, having no other way', async () => {
    const { endpoint, events } = open(ada);
    answer = () => acceptedReply();
    const passing = door.admitting;
    // As a stage before the terminal would refuse it.
    door.admitting = () => () => ({ ...acceptedReply(), status: 429, origin: 'gateway' });
    const refused = await post(endpoint, ada, { method: 'notifications/progress', params: {} });
    door.admitting = passing;
    expect(refused.status).toBe(429);
    expect(events).toHaveLength(1);
  });

  it('is no door for other methods, or what is no MCP server', () => {
    const handler = door.opening({ prefix: '', maxBodyBytes: 1000 });
    const decision = { strategy: 'PASSTHROUGH', destination: 'site', by: 'path' } as const;
    const get = fakeExchange(fakeInbound('/sse/site', {}, 'GET'), { decision });
    expect(() => handler(get)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    const put = fakeExchange(fakeInbound('/sse', {}, 'PUT'), { decision });
    expect(() => handler(put)).toThrow(GatewayError);
    expect(door.size).toBe(0);
  });

  it('ends what is idle when it drains', async () => {
    const { endpoint } = open(ada);
    door.drain(1000);
    expect(door.size).toBe(0);
    expect((await post(endpoint, ada)).status).toBe(404);
  });
});
