import { readDocument } from '../../src/config/document.js';
import { plain } from '../../src/config/tree.js';

async function read(text: string, file = 'c.json') {
  const { tree, faults } = await readDocument(text, { file, path: '', baseDir: '/' });
  return { value: plain(tree), faults: faults.map(({ path, line, message }) => `${path}@${line}: ${message}`) };
}

const NESTED = 100_000;

describe('JSON', () => {
  it('takes comments and trailing commas', async () => {
    const { value, faults } = await read('{ /* a */ "a": [1, null, true,], // b\n "b": {},\n}');
    expect([JSON.stringify(value), faults]).toEqual(['{"a":[1,null,true],"b":{}}', []]);
  });

  it('tells each slip by its line', async () => {
    const { faults } = await read('{\n  "a": 1\n  "b": ,\n}');
    expect(faults).toEqual(['@3: is not JSON: comma expected']);
  });

  it('refuses a key that is written twice, or aims at the prototype', async () => {
    const { value, faults } = await read(
      '{\n"a": 1,\n"a": 2,\n"__proto__": { "x": 1 },\n"constructor": { "prototype": { "x": 1 } } }',
    );
    expect(faults).toEqual(['a@3: is written twice', '__proto__@4: __proto__ is not allowed as a key']);
    expect(Object.keys(value as object)).toEqual(['a', 'constructor']);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('must hold an object', async () => {
    expect((await read('')).faults).toEqual(['@undefined: is empty']);
    expect((await read('[1]')).faults).toEqual(['@undefined: must hold an object']);
  });

  it('is bounded in depth and size', async () => {
    expect((await read('['.repeat(NESTED))).faults).toEqual(['@undefined: is nested deeper than 64 levels']);
    expect((await read(`{"a":[${'1,'.repeat(60_000)}]}`)).faults[0]).toMatch(/holds more than 50000 values$/);
  });
});

describe('YAML', () => {
  it('is read like JSON', async () => {
    const { value, faults } = await read('a: &x [1, yes, null]\nb: *x\n# c\n"d": "e"\n8: f\n', 'c.yml');
    expect([JSON.stringify(value), faults]).toEqual(['{"8":"f","a":[1,"yes",null],"b":[1,"yes",null],"d":"e"}', []]);
  });

  it('tells slips by line, without quoting what stands there', async () => {
    const { faults } = await read('a: "C:\\work\\e19.env"\n', 'c.yaml');
    expect(faults).toEqual(['@1: is not YAML: bad dq escape']);
  });

  it('refuses a key that is written twice, or aims at the prototype', async () => {
    const { faults } = await read('a: 1\nb: { __proto__: { x: 1 } }\na: 2\n', 'c.yaml');
    expect(faults).toEqual(['b.__proto__@2: __proto__ is not allowed as a key', 'a@3: is written twice']);
  });

  it('is bounded: nesting, aliases of aliases, aliases of themselves', async () => {
    expect((await read('['.repeat(NESTED), 'c.yaml')).faults).not.toEqual([]);
    const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`).join('\n');
    expect((await read(`l0: &l0 [1]\n${levels}\n`, 'c.yaml')).faults[0]).toMatch(/holds more than 50000 values$/);
    expect((await read('a: &a [*a]\n', 'c.yaml')).faults).not.toEqual([]);
  });
});
