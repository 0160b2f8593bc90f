import { hasDuplicateKeys, plainlyUnambiguous } from '../../src/core/json.js';
import { sequence } from '../helpers/sequence.js';

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

describe('plainlyUnambiguous', () => {
  const glance = (text: string) => plainlyUnambiguous(text, JSON.parse(text));
  const call = (args: string) =>
    `{"method":"tools/call","params":{"name":"a","arguments":${args}},"jsonrpc":"2.0","id":7}`;

  it.each([
    call('{"query":"open orders","limit":20}'),
    call('[{"a":1},{"a":2},["a"],null]'),
    call('{ "a" : {} ,\n"Name" : [] }'),
    '{"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"io.modelcontextprotocol/x":{}}}}',
  ])('sees what nearly every call is: %s', (text) => expect(glance(text)).toBe(true));

  it.each([
    ['a key twice', call('{"a":1,"a":2}')],
    ['the same key, written otherwise', '{"name":"ok","n\\u0061me":"evil"}'],
    ['a key twice, and one with space behind it', call('{"a":1,"a":2,"b" \t\r\n:3}')],
    ['a key twice in what the second one hides', call('{"a":{"b":1,"b":2},"a":{}}')],
    ['a prototype twice', '{"__proto__":1,"__proto__":2}'],
    ['a key in two cases', '{"params":{"name":1,"NAME":2}}'],
    ['a key with the long s', '{"params":1,"param\u017f":2}'],
    ['a text that looks like a key', call('{"a":"\\":","b":":"}')],
    ['a batch', `[${call('{}')}]`],
    ['what nests deep', `${'['.repeat(1_001)}${']'.repeat(1_001)}`],
  ])('leaves to a longer look: %s', (_, text) => expect(glance(text)).toBe(false));

  it('never passes what the long look finds, whatever is written', () => {
    const next = sequence(7);
    let passed = 0;
    let found = 0;
    for (let turn = 0; turn < 20_000; turn++) {
      const text = `{"a":${written(next, 3)}}`;
      const twice = hasDuplicateKeys(text, 2);
      const plain = glance(text);
      if (twice && plain) throw new Error(`passed: ${text}`);
      found += Number(twice);
      passed += Number(plain);
    }
    expect(passed).toBeGreaterThan(1_000);
    expect(found).toBeGreaterThan(1_000);
  });
});

const KEYS = ['"a"', '"b"', '"A"', '"\\u0061"', '"a\\":"', '":"', '"__proto__"', '"1"'];
const SPACES = ['', '', '', ' ', '\t\r\n '];

/** Any JSON, and in most of it something that may be taken for a key. */
function written(next: () => number, levels: number): string {
  const any = (of: readonly string[]) => of[Math.floor(next() * of.length)] as string;
  const several = (make: () => string) => Array.from({ length: Math.floor(next() * 4) }, make).join(`${any(SPACES)},`);
  const kind = levels === 0 ? 0 : next();
  if (kind < 0.3) return any([...KEYS, '1', 'null']);
  if (kind < 0.5) return `[${several(() => written(next, levels - 1))}${any(SPACES)}]`;
  return `{${several(() => `${any(SPACES)}${any(KEYS)}${any(SPACES)}:${any(SPACES)}${written(next, levels - 1)}`)}}`;
}
