import { readJson, writeJson } from '../../src/bridge/modernToLegacyJson.js';

describe('JSON that only passes', () => {
  it.each([
    '{"a":9007199254740993,"b":[-123456789012345678901234567890]}',
    '{"a":"9007199254740993 \\" 9007199254740993","b":9007199254740993}',
    '{"9007199254740993":9007199254740993}',
    '{"a":1.5,"b":1e+300,"c":true}',
  ])('%s keeps its integers', (text) => {
    expect(writeJson(readJson(text))).toBe(text);
  });

  it('gives ordinary numbers as numbers', () => {
    expect(readJson('{"a":12,"b":9007199254740991}')).toEqual({ a: 12, b: Number.MAX_SAFE_INTEGER });
  });

  it('must be JSON', () => {
    expect(() => readJson('{"a":12345678901234567890')).toThrow(SyntaxError);
  });
});
