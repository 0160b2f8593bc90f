import * as z from 'zod';
import { Secret } from './secret.js';

/** A whole number, or its digits as text, since `${PORT}` always comes as text. */
export function integer(min: number, max: number) {
  const number = z.int().min(min).max(max);
  const text = z
    .string()
    .regex(/^\d+$/)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must lie between ${min} and ${max}`);
  return z.union([number, text]);
}

/** True or false, or those words as text. */
export function flag() {
  return z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
}

/** Text that no log, error or dump may show. */
export function secret() {
  return z
    .string()
    .min(1)
    .transform((text) => new Secret(text));
}

/** Fields that frame or address a message (RFC 9110 sections 7.2 and 7.6.1, RFC 9112 section 6): this process alone writes them. */
const FRAMING = new Set(
  'host connection content-length transfer-encoding te trailer upgrade expect keep-alive'.split(' '),
);

/** The name of a header that a configuration may set or name (RFC 9110 section 5.6.2); none that frames the message. */
export function headerName() {
  return z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
    .refine(
      (name) => !FRAMING.has(name.toLowerCase()),
      'must be a header that neither frames nor addresses the message',
    );
}

/** A header's value (RFC 9110 section 5.5). */
export function headerValue() {
  return z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be a header value: one line of Latin-1 text');
}

/** An absolute http or https URL without user or password in it. */
export function httpUrl() {
  return z.string().transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password) return url;
    context.addIssue({ code: 'custom', message: 'must be an absolute http or https URL without user or password' });
    return z.NEVER;
  });
}

/** An origin: scheme, host and port; a path is refused rather than ignored. */
export function origin() {
  return httpUrl().transform((url, context) => {
    if (url.pathname === '/' && !url.search && !url.hash) return url.origin;
    context.addIssue({ code: 'custom', message: `must be an origin such as ${url.origin}, without a path` });
    return z.NEVER;
  });
}

/** For what is parsed once, such as a configuration: zod would write code for it first, and be no sooner done. */
export const PARSED_ONCE = { jitless: true } as const;
