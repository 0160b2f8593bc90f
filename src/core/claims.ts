import { parsedObject } from './json.js';

/** What a verified token, or a key's labels, say of a caller. */
export type Claims = Readonly<Record<string, unknown>>;

const LONGEST = 512;
const MOST_TEXTS = 1000;

/** What a JWT says of itself (RFC 7519 section 3). Nothing in it is proven: nobody looked at its signature. Undefined for any other token. */
export function claimsIn(token: string): Claims | undefined {
  return parsedObject(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

/** By its whole name first, since names may hold dots (`https://example.com/roles`), then step by step. Own properties only. */
export function claimAt(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, name)) return (value as Claims)[name];
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const step = name.slice(0, dot);
    if (Object.hasOwn(value, step)) return claimAt((value as Claims)[step], name.slice(dot + 1));
  }
  return undefined;
}

/** A claim's text, or its whole number as text; undefined for anything else, and for what is too long to be meant. */
export function oneText(value: unknown): string | undefined {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && text !== '' && text.length <= LONGEST ? text : undefined;
}

/** All texts of these claims, each once: of lists, or of text with spaces. */
export function textsAt(claims: Claims, names: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const name of names) {
    const value = claimAt(claims, name);
    const list: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
    for (const text of list.slice(0, MOST_TEXTS)) {
      if (typeof text === 'string' && text !== '' && text.length <= LONGEST) found.add(text);
    }
  }
  return [...found];
}
