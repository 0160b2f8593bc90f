/** Names that are paths of doors (`/mcp/sse`, `/mcp/events`, …), so that no destination can hide one. */
const RESERVED = new Set(['sse', 'events', 'messages', 'stream']);

const LEGAL = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** What to tell about an illegal name. */
export const NAME_RULE =
  'a name is up to 64 ASCII letters, digits, "_", "." or "-", starts with a letter or digit, and is not sse, events, messages or stream';

/** True for what a destination or credential may be called. */
export function isLegalName(name: string): boolean {
  return LEGAL.test(name) && !RESERVED.has(name);
}

/** True for what a secret manager may be called; `file` and `env` mean something of their own before a colon. */
export function isManagerName(name: string): boolean {
  return LEGAL.test(name) && /^[A-Za-z]/.test(name) && name !== 'file' && name !== 'env';
}

/** What to tell about one that isn't. */
export const MANAGER_NAME_RULE =
  'a secret manager\'s name is up to 64 ASCII letters, digits, "_", "." or "-", starts with a letter, and is not file or env';

/** A legal name made of any text, always the same one, and none of `taken`. */
export function legalName(text: string, taken: ReadonlySet<string>): string {
  const stem =
    text
      .replace(/[^A-Za-z0-9_.-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 52) || 'server';
  const first = isLegalName(stem) ? stem : `${stem}-server`;
  let name = first;
  for (let count = 2; taken.has(name); count++) name = `${first}-${count}`;
  return name;
}
