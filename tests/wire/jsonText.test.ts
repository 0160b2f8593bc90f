import { elementsOf, memberOf, spliced, textAt, withMembers } from '../../src/wire/jsonText.js';

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

describe('a value in a text', () => {
  it.each([
    ['{"id":1}', ['id'], '1'],
    [' { "a" : "}\\"," , "id" : "x\\\\" } ', ['id'], '"x\\\\"'],
    ['{"a":{"id":1,"b":[{"id":2}]},"id":12345678901234567890}', ['id'], '12345678901234567890'],
    ['{"id":1,"\\u0069d":2}', ['id'], '2'],
    ['{"params":{"_meta":{"progressToken":null}}}', ['params', '_meta', 'progressToken'], 'null'],
    ['{"params":[]}', ['params', '_meta'], undefined],
    ['{}', ['id'], undefined],
  ])('%s at %j', (text, path, value) => {
    expect(textAt(text, path)).toBe(value);
    if (value !== undefined) {
      const changed = spliced(text, path, '"new"');
      expect(path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], JSON.parse(changed))).toBe('new');
      expect(changed.length).toBe(text.length - value.length + 5);
    } else expect(spliced(text, path, '1')).toBe(text);
  });
});
