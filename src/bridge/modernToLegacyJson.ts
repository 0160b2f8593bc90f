import { randomUUID } from 'node:crypto';

/** What stands in for the digits of an integer that a double would round; nobody outside can guess it. */
const MARK = `\uE000${randomUUID()}:`;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

/**
 * JSON of which integers beyond 2^53 come out of `writeJson` as they went in.
 * @throws SyntaxError
 */
export function readJson(text: string): unknown {
  const plain = JSON.parse(text) as unknown;
  if (!/\d{16}/.test(text)) return plain;
  const exact = text.replace(TOKENS, (token) => (isRounded(token) ? `"${MARK}${token}"` : token));
  return exact === text ? plain : JSON.parse(exact);
}

export function writeJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.includes(MARK) ? text.replace(MARKED, '$1') : text;
}

function isRounded(token: string): boolean {
  return /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));
}
