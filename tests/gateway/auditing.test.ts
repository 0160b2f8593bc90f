import type { Exchange, McpCall } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { argumentRule, entryOf } from '../../src/gateway/auditing.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const decision = { strategy: 'PROXY', destination: 'ai', by: 'path' } as const;

function toolCall(given: unknown, more: Partial<McpCall> = {}): McpCall {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: given } };
  const body = Buffer.from(JSON.stringify(message));
  return { kind: 'request', era: 'legacy', id: 1, method: 'tools/call', name: 'echo', body, ...more };
}

const entry = (more: Partial<Exchange>, status = 200, rule = argumentRule({ arguments: 'names', values: [] })) =>
  entryOf(fakeExchange(fakeInbound('/mcp'), { decision, ...more }), '192.0.2.1', 'complete', status, 5, rule);

describe('an audit entry', () => {
  it('says who did what, with the names of the arguments and none of their values', () => {
    const principal = { subject: 'corp:ann', tenant: 'a', roles: [], claims: { email: 'canary' } };
    const made = entry({ principal, call: toolCall({ query: 'canary', 'x\u001b': { deep: 'canary' } }) });
    expect(made).toEqual({
      at: 5,
      requestId: '00000000-0000-4000-8000-000000000000',
      action: 'tools/call',
      subject: 'corp:ann',
      tenant: 'a',
      address: '192.0.2.1',
      destination: 'ai',
      method: 'POST',
      name: 'echo',
      argumentNames: ['query', 'x\\u001b'],
      outcome: 'allowed',
      status: 200,
      code: undefined,
    });
    expect(JSON.stringify(made)).not.toContain('canary');
  });

  it('has a bounded number of names of bounded length', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}-${'n'.repeat(1000)}`, 1]));
    const { argumentNames } = entry({ call: toolCall(many) });
    expect(argumentNames).toHaveLength(100);
    expect(argumentNames.every((name) => name.length <= 65)).toBe(true);
  });

  it('reads no body where nothing has arguments, and survives one that says nothing', () => {
    for (const given of [undefined, null, [1], 'x', { __proto__: null }]) {
      expect(entry({ call: toolCall(given) }).argumentNames).toEqual([]);
    }
    expect(entry({ call: toolCall({ a: 1 }, { method: 'tools/list' }) }).argumentNames).toEqual([]);
    expect(entry({ call: toolCall({}, { body: Buffer.from('[') }) }).argumentNames).toEqual([]);
    expect(entry({}, 200, argumentRule({ arguments: 'none', values: ['*'] })).argumentNames).toEqual([]);
  });

  it('tells refused from failed, by who answered', () => {
    const failure = (code: 'NOT_PERMITTED' | 'SESSION_LOST' | 'PARSE_ERROR') => new GatewayError(code, 'x');
    expect(entry({ failure: failure('NOT_PERMITTED') }, 403)).toMatchObject({
      outcome: 'refused',
      code: 'NOT_PERMITTED',
    });
    expect(entry({ failure: failure('SESSION_LOST') }, 404).outcome).toBe('refused');
    expect(entry({ failure: failure('PARSE_ERROR') }, 400).outcome).toBe('failed');
    // The upstream's own words about a call that was let through.
    expect(entry({}, 403).outcome).toBe('allowed');
    expect(entry({}, 502).outcome).toBe('failed');
    expect(entryOf(fakeExchange(fakeInbound('/mcp')), '', 'upstream-broke', 200, 5).outcome).toBe('failed');
  });

  it('names what stood in a batch, and the HTTP method where there is no message', () => {
    const messages = [
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'drop' } },
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    ];
    const call: McpCall = { kind: 'batch', era: 'legacy', body: Buffer.from(JSON.stringify(messages)) };
    expect(entry({ call })).toMatchObject({ action: 'batch', name: 'tools/call drop, tools/list' });
    expect(entry({}).action).toBe('POST');
  });

  it('keeps values only for destinations that say so, and no secret even then', () => {
    const jwt = 'eyJhbGciOiJub25l.eyJzdWIiOiJjYW5hcnkifQ.x';
    const given = {
      city: 'Bern',
      password: 'canary',
      nested: { apiKey: 'canary', list: [{ access_token: 'canary' }], ok: 1 },
      header: 'Bearer canarycanary',
      text: `see ${jwt}`,
      url: 'https://u:canary@x',
      long: 'y'.repeat(1000),
    };
    const rule = argumentRule({ arguments: 'names', values: ['a*'] });
    const made = entry({ call: toolCall(given) }, 200, rule);
    expect(made.argumentValues?.[0]).toBe('"Bern"');
    expect(made.argumentValues?.[2]).toBe('{"apiKey":"[redacted]","list":[{"access_token":"[redacted]"}],"ok":1}');
    expect(made.argumentValues?.[6]).toHaveLength(201);
    expect(JSON.stringify(made)).not.toMatch(/canary|eyJ/);
    const other = { ...decision, destination: 'files' };
    expect(entry({ call: toolCall(given), decision: other }, 200, rule).argumentValues).toBeUndefined();
  });
});
