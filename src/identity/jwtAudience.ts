import { canonical } from './challenge.js';

/** The destinations that a token's audiences confine it to; null where it is meant for somebody else, undefined where it is free. */
export type AudienceRule = (audiences: readonly string[]) => readonly string[] | null | undefined;

/** One of a list, letter by letter. */
export function listedAudience(listed: readonly string[]): AudienceRule {
  return (audiences) => (audiences.some((audience) => listed.includes(audience)) ? undefined : null);
}

/**
 * This process by its public URL or its route `/mcp`: any destination. One of its routes `/mcp/<destination>` (RFC 8707): that
 * destination alone.
 */
export function publicAudience(publicUrl: URL): AudienceRule {
  const base = canonical(publicUrl);
  const whole = [base, `${base}/`, `${base}/mcp`, `${base}/mcp/`];
  const prefix = `${base}/mcp/`;
  return (audiences) => {
    if (audiences.some((audience) => whole.includes(audience))) return undefined;
    const names = audiences.flatMap((audience) =>
      audience.startsWith(prefix) ? nameOf(audience.slice(prefix.length)) : [],
    );
    return names.length > 0 ? names : null;
  };
}

/** A destination's name has no `*` in it, so that as a glob it means itself. */
function nameOf(text: string): string[] {
  const name = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\/?$/.exec(text)?.[1];
  return name === undefined ? [] : [name];
}
