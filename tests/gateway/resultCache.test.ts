import type { Reply } from '../../src/contracts.js';
import { resultCacheSchema } from '../../src/gateway/resultCacheSchema.js';
import { type Ask, cacheBench, jsonReply, MODERN, result, streamReply } from './resultCacheWorld.js';

const PUBLIC = { cacheScope: 'public' };
const ann = { principal: { subject: 'corp:ann', tenant: 'a' } };
const bob = { principal: { subject: 'corp:bob', tenant: 'a' } };
const eve = { principal: { subject: 'corp:eve', tenant: 'b' } };

/** Whether `second` gets what was kept for `first`. */
async function shares(first: Ask, second: Ask, answer: Reply = jsonReply(result())): Promise<boolean> {
  const { ask } = cacheBench();
  await ask(first, answer);
  return (await ask(second)).origin === 'cache';
}

describe('the result cache', () => {
  it('answers the same question of the same caller for as long as the server said, under the new id', async () => {
    const { ask, clock, recall, asked } = cacheBench();
    const text = '{ "jsonrpc": "2.0", "result": {"id": 1, "n": 12345678901234567890, "ttlMs": 5000}, "id" : 1 }';
    await ask({ ...ann }, jsonReply(text));
    clock.time += 4999;
    const hit = await ask({ ...ann, id: 'seven"' });
    expect(hit.origin).toBe('cache');
    expect(hit.text).toBe(text.replace('"id" : 1', '"id" : "seven\\""'));
    expect(hit.headers.join()).toContain('age,4');
    expect(recall.stats()).toMatchObject({ hits: 1, misses: 1, entries: 1 });
    clock.time += 1;
    expect((await ask({ ...ann })).origin).toBe('upstream');
    expect(asked()).toBe(2);
  });

  it("a private answer is one caller's, a public one its tenant's", async () => {
    const shared = jsonReply(result(PUBLIC));
    expect(await shares(ann, bob)).toBe(false);
    expect(await shares(ann, {})).toBe(false);
    expect(await shares(ann, bob, shared)).toBe(true);
    expect(await shares(ann, eve, shared)).toBe(false);
    expect(await shares(ann, {}, shared)).toBe(false);
    expect(await shares(ann, ann)).toBe(true);
    expect(await shares(ann, bob, jsonReply(result(PUBLIC), ['Cache-Control', 'private']))).toBe(false);
  });

  it('shares nothing where the caller itself is shown upstream, and tells its proofs apart', async () => {
    const { ask } = cacheBench({}, () => true);
    const token = (text: string) => ({ headers: { Authorization: `Bearer ${text}` } });
    await ask({ ...ann, ...token('1') }, jsonReply(result(PUBLIC)));
    expect((await ask({ ...bob, ...token('1') })).origin).toBe('upstream');
    expect((await ask({ ...ann, ...token('2') })).origin).toBe('upstream');
    expect((await ask({ ...ann, ...token('1') })).origin).toBe('cache');
  });

  it.each<[string, Ask, Ask]>([
    ['destination', {}, { destination: 'files', url: 'https://ai.example.com/mcp' }],
    ['URL', {}, { url: 'https://ai.example.com/other' }],
    ['method', {}, { method: 'prompts/list' }],
    ['cursor', {}, { params: { cursor: 'x' } }],
    [
      'resource',
      { method: 'resources/read', params: { uri: 'a' } },
      { method: 'resources/read', params: { uri: 'b' } },
    ],
    ['capabilities', {}, { params: { _meta: { 'io.modelcontextprotocol/clientCapabilities': { a: {} } } } }],
    ['header that nobody knows', {}, { headers: { 'X-Tenant': 'b' } }],
    ['language', {}, { headers: { 'Accept-Language': 'de' } }],
    ['session', {}, { headers: { 'Mcp-Session-Id': 's' } }],
  ])('keeps apart what differs in %s', async (_what, first, second) => {
    expect(await shares(first, second, jsonReply(result(PUBLIC)))).toBe(false);
    expect(await shares(first, first, jsonReply(result(PUBLIC)))).toBe(true);
  });

  it('is not split by a key of ours, which no server sees; one that is not ours may matter', async () => {
    const { ask, asked } = cacheBench();
    const shared = jsonReply(result({ cacheScope: 'public' }));
    const by = (key: string, tokenIsOurs: boolean) =>
      ask({ tokenIsOurs, principal: { subject: key }, headers: { 'X-Api-Key': key } }, shared);
    expect([await by('a', true), await by('b', true)].map(({ origin }) => origin)).toEqual(['upstream', 'cache']);
    expect([await by('a', false), await by('b', false)].map(({ origin }) => origin)).toEqual(['upstream', 'upstream']);
    expect(asked()).toBe(3);
  });

  it('does not mind who asks, in which order, and in which trace', async () => {
    const meta = (client: string, trace: string) => ({
      headers: { traceparent: trace, 'User-Agent': client },
      params: {
        _meta: { 'io.modelcontextprotocol/clientInfo': { name: client }, traceparent: trace, a: { x: 1, y: 2 } },
      },
    });
    const other = { ...meta('b', '2'), params: { _meta: { a: { y: 2, x: 1 }, progressToken: 5 } } };
    expect(await shares(meta('a', '1'), other)).toBe(true);
  });

  it.each<[string, string]>([
    [
      'params said twice',
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"},"params":{"uri":"b"}}',
    ],
    ['a uri said twice', '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","uri":"b"}}'],
    [
      'a uri said twice in another case',
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"URI":"a","uri":"b"}}',
    ],
    ['a parameter that nobody knows', '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"b","x":1}}'],
    ['a retry', '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"b","requestState":"s"}}'],
    [
      'a member that nobody knows',
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","Method":"x","params":{"uri":"b"}}',
    ],
  ])('stops poisoning: the answer to %s is kept for nobody', async (_what, body) => {
    const ask = { method: 'resources/read', body };
    expect(await shares(ask, { method: 'resources/read', params: { uri: 'b' } }, jsonReply(result(PUBLIC)))).toBe(
      false,
    );
    expect(await shares(ask, ask, jsonReply(result(PUBLIC)))).toBe(false);
  });

  it.each<[string, Reply]>([
    ['an error', jsonReply({ jsonrpc: '2.0', id: 1, error: { code: 1, message: '' } })],
    ['an error beside a result', jsonReply({ ...result(), error: { code: 1 } })],
    ['a tool error', jsonReply(result({ isError: true }))],
    ['a question back', jsonReply(result({ resultType: 'input_required' }))],
    ['another id', jsonReply(result({}, 2))],
    ['two ids', jsonReply('{"jsonrpc":"2.0","id":2,"id":1,"result":{"ttlMs":9000}}')],
    ['no life', jsonReply(result({ ttlMs: 0 }))],
    ['a life that is none', jsonReply(result({ ttlMs: '60000' }))],
    ['a negative life', jsonReply(result({ ttlMs: -1 }))],
    ['another status', jsonReply(result(), [], 206)],
    ['a session of its own', jsonReply(result(), ['Mcp-Session-Id', 's'])],
    ['a cookie', jsonReply(result(), ['Set-Cookie', 'a=b'])],
    ['no-store', jsonReply(result(), ['Cache-Control', 'max-age=1', 'cache-control', 'no-store'])],
    ['a coding', jsonReply(result(), ['Content-Encoding', 'gzip'])],
    ['Vary: *', jsonReply(result(), ['Vary', '*'])],
    ['Vary: User-Agent', jsonReply(result(), ['Vary', 'Accept, User-Agent'])],
    ['more than 1 MiB', jsonReply(result({ x: 'y'.repeat(1024 * 1024) }))],
    ['half a stream', streamReply(['{"jsonrpc":"2.0","id":1,'], 'application/json', true)],
    ['a whole text of a broken stream', streamReply([JSON.stringify(result())], 'application/json', true)],
    ['an answer of our own', { ...jsonReply(result()), origin: 'gateway' }],
  ])('never keeps %s', async (_what, answer) => {
    expect(await shares({}, {}, answer)).toBe(false);
  });

  it('keeps a stream that is one event, as JSON for who takes JSON', async () => {
    const text = JSON.stringify(result());
    const one = [': hello\n\nevent: message\r\nid: 5\r\n', `data: ${text.slice(0, 30)}`, `${text.slice(30)}\r\n\r\n`];
    expect(await shares({}, {}, streamReply(one))).toBe(true);
    expect(await shares({}, {}, streamReply([`data: {"jsonrpc":"2.0"}\n\n`, `data: ${text}\n\n`]))).toBe(false);
    expect(await shares({}, {}, streamReply([`data: ${text}\n`]))).toBe(false);
    expect(await shares({}, { headers: { Accept: 'text/event-stream' } })).toBe(false);
    expect(await shares({}, { headers: { Accept: 'application/json;q=0, text/event-stream' } })).toBe(false);
    expect(await shares({}, { headers: { 'Cache-Control': 'no-cache' } })).toBe(false);
  });

  it('passes streams byte for byte', async () => {
    const { ask } = cacheBench();
    expect((await ask({}, streamReply(['a', 'b', 'list_cha', 'nged"']))).text).toBe('ablist_changed"');
    expect((await ask({}, streamReply(['a'], 'text/event-stream', true))).text).toBe('a!');
  });

  it('keeps answers of older revisions only where the operator gave them a life', async () => {
    const legacy: Ask = { ...ann, era: 'legacy' };
    const plain = jsonReply({ jsonrpc: '2.0', id: 1, result: { tools: [] } });
    const off = cacheBench();
    await off.ask(legacy, plain);
    expect((await off.ask(legacy)).origin).toBe('upstream');
    const on = cacheBench({ legacyTtlMs: { 'tools/list': 1000 } });
    await on.ask(legacy, jsonReply(result(PUBLIC)));
    expect((await on.ask({ ...legacy, ...bob })).origin).toBe('upstream');
    expect((await on.ask(legacy)).origin).toBe('cache');
    on.clock.time += 1000;
    expect((await on.ask(legacy)).origin).toBe('upstream');
  });

  it.each([
    ['a list', ['data: {"method":"notifications/tools/list_changed"}\n\n']],
    ['a list, in two pieces', ['data: {"method":"notifications/tools/list_ch', 'anged"}\n\n']],
    ['a list, byte by byte', [...'data: {"method":"notifications\\/tools\\/list_changed"}\n\n']],
    ['a resource', ['data: {"method":"notifications/resources/upda', 'ted","params":{"uri":"x"}}\n\n']],
  ])('forgets a destination that tells of %s having changed, and no other', async (_what, pieces) => {
    const { ask, recall } = cacheBench();
    await ask({});
    await ask({ destination: 'files' });
    await ask({ method: 'tools/call' }, streamReply(pieces));
    expect(recall.stats().entries).toBe(1);
    expect((await ask({ destination: 'files' })).origin).toBe('cache');
    expect((await ask({})).origin).toBe('upstream');
  });

  it('keeps no answer that was under way when the change was told', async () => {
    const { ask, recall } = cacheBench();
    await ask({}, () => {
      recall.sees('ai', Buffer.from('"notifications/tools/list_changed"'));
      return Promise.resolve(jsonReply(result()));
    });
    expect(recall.stats().entries).toBe(0);
  });

  it('stays within its bounds, and lets go of what was asked for least recently', async () => {
    const { ask, recall } = cacheBench({ maxEntries: 3 });
    const page = (cursor: string) => ({ params: { cursor } });
    for (const cursor of ['a', 'b', 'c']) await ask(page(cursor));
    await ask(page('a'));
    await ask(page('d'));
    expect((await ask(page('a'))).origin).toBe('cache');
    expect((await ask(page('b'))).origin).toBe('upstream');
    const small = cacheBench({ maxBytes: 2000 });
    for (let i = 0; i < 50; i++) await small.ask(page(String(i)));
    expect(small.recall.stats().bytes).toBeLessThanOrEqual(2000);
    expect(small.recall.stats().entries).toBeGreaterThan(1);
    expect(recall.stats().entries).toBe(3);
  });

  it('leaves alone what is no question of these', async () => {
    const { ask, recall } = cacheBench();
    for (const method of ['tools/call', 'prompts/get', 'initialize', '__proto__']) await ask({ method });
    expect(recall.stats()).toEqual({ hits: 0, misses: 0, entries: 0, bytes: 0 });
  });

  it('is off unless asked for', () => {
    expect(resultCacheSchema.parse({})).toMatchObject({ enabled: false, legacyTtlMs: {} });
    expect(resultCacheSchema.safeParse({ legacyTtlMs: { 'tools/call': 5 } }).success).toBe(false);
    expect(MODERN).toBe('2026-07-28');
  });
});
