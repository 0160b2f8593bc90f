import { Names } from '../../src/upstreams/federationNames.js';
import { withText } from '../../src/upstreams/federationText.js';

const names = new Names(
  new Map([
    ['a', 'a_'],
    ['a_b', 'a_b_'],
    ['bare', ''],
    ['quite-long-name', 'quite-long-name_'],
  ]),
);

const SAFE = /^[A-Za-z0-9_-]{1,64}$/;

describe('names', () => {
  it('are a prefix and the own name, and are read back without asking anybody', () => {
    expect(names.exposed('a', 'get')).toBe('a_get');
    expect(names.meant('a_get')).toEqual({ member: 'a', own: 'get' });
    expect(names.exposed('bare', 'get')).toBe('get');
    expect(names.meant('get')).toEqual({ member: 'bare', own: 'get' });
  });

  it.each([
    ['too long', 'a', 'x'.repeat(100)],
    ['unsafe', 'a', 'get.all/things'],
    ['readable as another member’s', 'a', 'b_c'],
    ['readable as another member’s, without a prefix', 'bare', 'a_get'],
    ['like a hashed one', 'a', 'get_0123456789ab'],
    ['not ASCII', 'bare', '検索'],
  ])('%s: is hashed, safe, and of the members that it may be of', (_, member, own) => {
    const name = names.exposed(member, own);
    expect(name).toMatch(SAFE);
    expect(name).toMatch(/_[0-9a-f]{12}$/);
    expect(names.exposed(member, own)).toBe(name);
    const meant = names.meant(name);
    expect(meant && 'among' in meant ? meant.among : []).toContain(member);
  });

  it('never meet, whatever members call their things', () => {
    const own = ['b_c', 'c', 'a_b_c', '_c', 'b__c', 'x'.repeat(80), `${'x'.repeat(80)}y`, 'a.b', 'a/b', 'a_b'];
    const all = ['a', 'a_b', 'bare'].flatMap((member) => own.map((name) => names.exposed(member, name)));
    expect(new Set(all).size).toBe(all.length);
  });

  it('one that was never shown is nobody’s', () => {
    expect(names.meant('quite-long-name_a.b')).toBeUndefined();
    expect(names.meant(`a_${'x'.repeat(80)}`)).toBeUndefined();
  });
});

describe('another text in a body', () => {
  it('leaves every other byte of a value as it was', () => {
    const body =
      '{"jsonrpc":"2.0","id":12345678901234567890,"params":{"arguments":{"name":"n","n":1e2},"name" : "x_y"}}';
    expect(withText(body, ['params', 'name'], 'y"')).toBe(
      '{"jsonrpc":"2.0","id":12345678901234567890,"params":{"arguments":{"name":"n","n":1e2},"name":"y\\""}}',
    );
  });

  it('is refused where a key is said twice', () => {
    expect(() => withText('{"params":{"name":"a","name":"b"}}', ['params', 'name'], 'c')).toThrow('twice');
  });
});
