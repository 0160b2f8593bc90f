import { brokenRule } from '../../src/wire/envelope.js';

const prefix = 'io.modelcontextprotocol/';
const call = { kind: 'request', era: 'modern', method: 'tools/list', revision: '2026-07-28', body: null } as const;
const declared = { _meta: { [`${prefix}protocolVersion`]: '2026-07-28', [`${prefix}clientCapabilities`]: {} } };

describe('the rules of 2026-07-28, before a server that knows none of them', () => {
  it('let a whole envelope pass, with or without a name of the client', () => {
    expect(brokenRule(call, declared)).toBeUndefined();
  });

  it.each([
    ['no _meta', {}],
    ['capabilities that are no object', { _meta: { [`${prefix}clientCapabilities`]: [] } }],
    ['no capabilities', { _meta: { [`${prefix}protocolVersion`]: '2026-07-28' } }],
  ])('refuse %s', (_, params) => {
    expect(brokenRule(call, params)).toMatchObject({ status: 400, error: { code: -32602 } });
  });

  it('refuse a request that claims no revision', () => {
    const { revision: _, ...unclaimed } = call;
    expect(brokenRule(unclaimed, declared)).toMatchObject({ status: 400, error: { code: -32602 } });
  });

  it('name the revisions that are spoken, where another is asked for', () => {
    expect(brokenRule({ ...call, revision: '2099-01-01' }, declared)).toMatchObject({
      status: 400,
      error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2099-01-01' } },
    });
  });
});
