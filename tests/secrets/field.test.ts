import { pickField, splitReference } from '../../src/secrets/field.js';
import { SecretError } from '../../src/secrets/secretError.js';

describe('a field', () => {
  it('stands behind the first #', () => {
    expect(splitReference('a/b')).toEqual({ path: 'a/b', field: undefined });
    expect(splitReference('a/b#c#d')).toEqual({ path: 'a/b', field: 'c#d' });
  });

  const value = { key: 'one', port: 5432, on: true, 'tls.crt': 'pem', tls: { crt: 'deep', list: ['x'] }, none: null };

  it.each([
    ['key', 'one'],
    ['port', '5432'],
    ['on', 'true'],
    ['tls.crt', 'pem'],
  ])('%s is found among fields, and in the text of an object', (field, expected) => {
    expect(pickField({ value }, field)).toBe(expected);
    expect(pickField({ value: JSON.stringify(value) }, field)).toBe(expected);
  });

  it('is found step by step', () => {
    expect(pickField({ value: { tls: { crt: 'deep' } } }, 'tls.crt')).toBe('deep');
  });

  it.each([
    [value, undefined, 'the secret has fields'],
    [value, 'tls', 'the field "tls" is no text'],
    [value, 'none', 'the field "none" is no text'],
    [value, 'nope', 'the secret has no field "nope"'],
    [value, 'constructor', 'the secret has no field "constructor"'],
    [value, 'key.length', 'the secret has no field "key.length"'],
    ['canary', 'key', 'the secret is no JSON object, so it has no fields'],
    ['x'.repeat(1024 * 1024 + 1), undefined, 'the secret is larger than 1 MiB'],
  ])('that is none is told without a value (%#)', (held, field, message) => {
    expect(() => pickField({ value: held }, field)).toThrow(SecretError);
    expect(() => pickField({ value: held }, field)).toThrow(message);
  });
});
