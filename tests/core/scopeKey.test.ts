import { scopeKey } from '../../src/core/scopeKey.js';

describe('scopeKey', () => {
  it('is the same for the same owner and thing', () => {
    const owner = { tenant: 't', subject: 's' };
    expect(scopeKey(owner, 'token', 'qlik')).toBe(scopeKey({ ...owner }, 'token', 'qlik'));
  });

  it('never meets another owner or thing, whatever the names hold', () => {
    const keys = [
      scopeKey(null, 'token', 'a'),
      scopeKey(null, 'token', 'a', ''),
      scopeKey(null, 'token","a'),
      scopeKey({ subject: 'token' }, 'a'),
      scopeKey({ tenant: 'token', subject: 'a' }),
      scopeKey({ subject: 'null' }, 'token', 'a'),
      scopeKey({ tenant: '', subject: '' }, 'token', 'a'),
      scopeKey({ subject: '' }, 'token', 'a'),
      scopeKey({ tenant: 'x', subject: 'y:z' }, 'token', 'a'),
      scopeKey({ tenant: 'x:y', subject: 'z' }, 'token', 'a'),
      scopeKey({ tenant: 'x', subject: 'y\ud800' }, 'token', 'a'),
      scopeKey({ tenant: 'x', subject: 'y\ud801' }, 'token', 'a'),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
