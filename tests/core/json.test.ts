import { hasDuplicateKeys } from '../../src/core/json.js';

describe('hasDuplicateKeys', () => {
  it.each([
    ['{}', false],
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}', false],
    ['{"a":"a","b":"a"}', false],
    ['["a","a"]', false],
    ['{"a":["a","a"],"b":1}', false],
    ['{"a":"\\"a\\":1,","b":2}', false],
    ['{"a\\\\":1,"a":2}', false],
    ['{"a":1,"a":2}', true],
    ['{"a":1,"b":2,"c":3,"b":4}', true],
    ['[{"x":{"a":1,"b":[],"a":1}}]', true],
    ['{"params":{"name":"ok","name":"evil"}}', true],
    ['{"name":"ok","n\\u0061me":"evil"}', true],
    ['{ "a" : {} , "b" : [] , "a" : 1 }', true],
    ['{"__proto__":1,"__proto__":2}', true],
    ['{"__proto__":1,"constructor":2}', false],
  ])('%s: %s', (text, expected) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(hasDuplicateKeys(text)).toBe(expected);
  });

  it.each([
    ['{"name":1,"Name":2}', 1, true],
    ['{"params":{"name":1,"NAME":2}}', 2, true],
    ['{"params":{"x":{"name":1,"NAME":2}}}', 2, false],
    ['{"params":1,"param\u017f":2}', 1, true],
    ['{"task":1,"tas\u212a":2}', 1, true],
    ['{"name":1,"Name":2}', 0, false],
  ])('in whatever case: %s in %d levels: %s', (text, folded, expected) => {
    expect(hasDuplicateKeys(text, folded)).toBe(expected);
  });

  it('takes linear time and no stack: neither depth, nor many keys, nor long text hold it up', () => {
    const started = process.cpuUsage();
    expect(hasDuplicateKeys(`${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}`)).toBe(true);
    const keys = Array.from({ length: 300_000 }, (_, index) => `"${index}":0`);
    expect(hasDuplicateKeys(`{${keys.join(',')}}`)).toBe(false);
    expect(hasDuplicateKeys(JSON.stringify({ text: '\\"'.repeat(1_000_000) }))).toBe(false);
    expect(hasDuplicateKeys(`[${'{"a":{}},'.repeat(200_000)}0]`)).toBe(false);
    expect(process.cpuUsage(started).user / 1_000).toBeLessThan(9_000);
  });
});
