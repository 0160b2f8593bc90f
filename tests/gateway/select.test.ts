import type { Exchange, McpCall, Reply, Upstream } from '../../src/contracts.js';
import { createSelect } from '../../src/gateway/select.js';
import { selected } from '../../src/upstreams/toolSelection.js';
import { parseCall } from '../../src/wire/mcp.js';
import { jsonReply } from '../../src/wire/messages.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const select = createSelect();
const offers = selected({ include: ['get_*', 'search'], exclude: ['get_secret'] }) ?? (() => true);

function exchangeOf(body: string, headers: Record<string, string> = {}, more: Partial<Upstream> = { offers }) {
  const request = fakeInbound('/mcp/x', headers, 'POST', body);
  const route = { destination: 'x', upstream: more as Upstream, url: new URL('http://x'), publicOnly: false };
  const call: McpCall = parseCall(Buffer.from(body), request);
  return fakeExchange(request, { call, route: { ...route, credential: undefined } });
}

const callOf = (name: unknown, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name, ...params } });
const passed: Reply = jsonReply({ jsonrpc: '2.0', id: 5, result: {} });
const META = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };

async function run(exchange: Exchange, reply: Reply = passed): Promise<Reply> {
  return select(exchange, () => reply);
}

describe('a tool that the destination doesn’t offer', () => {
  it.each(['set', 'get_secret', 'Search', 'GET_a', '', 7, ['get_a'], null])(
    '%p is unknown, in both eras',
    async (name) => {
      for (const params of [{}, META]) {
        const reply = await run(exchangeOf(callOf(name, params)));
        expect([reply.status, reply.origin]).toEqual([200, 'gateway']);
        expect(JSON.parse(String(reply.body))).toMatchObject({ jsonrpc: '2.0', id: 5, error: { code: -32602 } });
      }
    },
  );

  it('one that it offers passes, and so does everything else, untouched', async () => {
    for (const body of [callOf('get_a'), callOf('search', META), callOf('x').replace('tools/call', 'prompts/get')]) {
      expect(await run(exchangeOf(body))).toBe(passed);
    }
    expect(await run(exchangeOf(callOf('set'), {}, {}))).toBe(passed);
  });

  it('a notification gets no answer', async () => {
    const body = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"set"}}';
    expect(await run(exchangeOf(body))).toMatchObject({ status: 202, body: null });
  });

  it.each(['"name":"get_a","name":"set"', '"name":"get_a","Name":"set"'])('a body that says %s is refused', (names) => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${names}}}`;
    expect(() => select(exchangeOf(body), () => passed)).toThrow('twice');
  });

  it('refuses a batch that calls one', () => {
    const batch = exchangeOf(`[${callOf('get_a')},${callOf('set')}]`, { 'mcp-protocol-version': '2025-03-26' });
    expect(() => select(batch, () => passed)).toThrow('unknown tool');
    const good = exchangeOf(`[${callOf('get_a')}]`, { 'mcp-protocol-version': '2025-03-26' });
    expect(select(good, () => passed)).toBeInstanceOf(Promise);
  });

  it('is in no list, whatever form that comes in', async () => {
    const list = JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/list' });
    const result = { tools: [{ name: 'get_a' }, { name: 'set' }, { name: 'get_secret' }], cacheScope: 'public' };
    const reply = await run(exchangeOf(list), jsonReply({ jsonrpc: '2.0', id: 5, result }));
    expect(JSON.parse(String(reply.body)).result.tools).toEqual([{ name: 'get_a' }]);
    const prompts = { prompts: [{ name: 'set' }] };
    const other = await run(exchangeOf(list.replace('tools', 'prompts')), jsonReply({ id: 5, result: prompts }));
    expect(JSON.parse(String(other.body)).result).toEqual(prompts);
  });
});

it('nothing is selected where nothing is said', () => {
  expect(selected({ exclude: [] })).toBeUndefined();
  expect(selected({ include: [], exclude: [] })?.('x')).toBe(false);
});
