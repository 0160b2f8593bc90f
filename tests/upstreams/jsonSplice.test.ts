import { spliced, valueAt } from '../../src/upstreams/jsonSplice.js';

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
    expect(valueAt(text, path)).toBe(value);
    if (value !== undefined) {
      const changed = spliced(text, path, '"new"');
      expect(path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], JSON.parse(changed))).toBe('new');
      expect(changed.length).toBe(text.length - value.length + 5);
    } else expect(spliced(text, path, '1')).toBe(text);
  });
});
