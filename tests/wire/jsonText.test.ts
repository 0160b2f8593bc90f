import { elementsOf, memberOf, withMembers } from '../../src/wire/jsonText.js';

const TEXT = ' { "a" : [1, {"b":","}] ,"n": 9007199254740993, "q\\"": "}{\\\\", "e": {} } ';

describe('JSON as text', () => {
  it('finds members as they were written', () => {
    expect(memberOf(TEXT, 'a')).toBe('[1, {"b":","}]');
    expect(memberOf(TEXT, 'n')).toBe('9007199254740993');
    expect(memberOf(TEXT, 'q"')).toBe('"}{\\\\"');
    expect(memberOf(TEXT, 'e')).toBe('{}');
    expect(memberOf(TEXT, 'b')).toBeUndefined();
    expect(memberOf('{"a":1,"a":2}', 'a')).toBe('2');
    for (const other of ['[1]', '"a"', '12', 'null', '{}']) expect(memberOf(other, 'a')).toBeUndefined();
  });

  it('replaces, removes and adds, and leaves the rest', () => {
    const changes = new Map([
      ['a', undefined],
      ['e', '1'],
      ['new', '"x"'],
    ]);
    expect(withMembers(TEXT, changes)).toBe('{"n":9007199254740993,"q\\"":"}{\\\\","e":1,"new":"x"}');
    expect(withMembers('{}', new Map([['__proto__', '1']]))).toBe('{"__proto__":1}');
    expect(withMembers('{"a":1,"a":2}', new Map([['a', '3']]))).toBe('{"a":3}');
    expect(withMembers('{"a":1,"a":2}', new Map([['a', undefined]]))).toBe('{}');
  });

  it('cuts lists', () => {
    expect(elementsOf(' [ {"a":[1,2]}, "x,]" ,3 ] ')).toEqual(['{"a":[1,2]}', '"x,]"', '3']);
    expect(elementsOf('[]')).toEqual([]);
    expect(elementsOf('{"a":1}')).toEqual([]);
  });
});
