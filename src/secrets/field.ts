import type { HeldSecret } from '../contracts.js';
import { asObject, parsedObject } from '../core/json.js';
import { SecretError } from './secretError.js';

/** Characters that a value may have. */
const MAX_CHARACTERS = 1024 * 1024;

/** What stands behind a manager's name in a reference: `path#field`; the first `#` separates them. */
export function splitReference(text: string): { readonly path: string; readonly field: string | undefined } {
  const at = text.indexOf('#');
  return at === -1 ? { path: text, field: undefined } : { path: text.slice(0, at), field: text.slice(at + 1) };
}

/**
 * The one text that is meant. A field is looked for by its whole name, then step by step at its dots; a text with a field
 * is read as JSON. Throws a SecretError that names no value.
 */
export function pickField({ value }: HeldSecret, field: string | undefined): string {
  const found = field === undefined ? whole(value) : within(value, field);
  const text = typeof found === 'number' || typeof found === 'boolean' ? String(found) : found;
  if (typeof text !== 'string') {
    throw new SecretError(`the field "${field}" is no text`, 'Name a field that holds a text, a number or a flag.');
  }
  if (text.length > MAX_CHARACTERS) throw new SecretError('the secret is larger than 1 MiB', 'Name a smaller one.');
  return text;
}

function whole(value: HeldSecret['value']): unknown {
  if (typeof value === 'string') return value;
  throw new SecretError('the secret has fields', 'Say which one is meant: write its name behind a "#".');
}

function within(value: HeldSecret['value'], field: string): unknown {
  const fields = typeof value === 'string' ? parsedObject(value) : value;
  if (!fields) throw new SecretError('the secret is no JSON object, so it has no fields', `Leave "#${field}" out.`);
  const found = Object.hasOwn(fields, field) ? fields[field] : field.split('.').reduce(step, fields as unknown);
  if (found === undefined) {
    throw new SecretError(`the secret has no field "${field}"`, 'Case counts; levels are separated by dots.');
  }
  return found;
}

function step(value: unknown, key: string): unknown {
  const object = asObject(value);
  return object && Object.hasOwn(object, key) ? object[key] : undefined;
}
