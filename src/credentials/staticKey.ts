import { z } from 'zod';
import type { CredentialSource, Kind } from '../contracts.js';
import { origin, secret } from '../core/schema.js';

/** RFC 9110 section 5.5, without line breaks. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;

/** Headers that frame or address the message; a credential is none of them. */
const NOT_CREDENTIALS = /^(host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive)$/i;

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
  .refine((name) => !NOT_CREDENTIALS.test(name), 'must be a header that can hold a credential');

const fields = z.strictObject({
  /** Shown as `Authorization: Bearer`. */
  token: secret().optional(),
  /** A header of its own, with `value`. */
  header: headerName.optional(),
  value: secret().optional(),
  /** Shown as `Authorization: Basic`, with `password`. */
  username: z
    .string()
    .min(1)
    .regex(/^[^:]*$/, 'must not hold a colon (RFC 7617)')
    .optional(),
  password: secret().optional(),
  /** The only origins that may see it. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const FORMS = 'write either token, or header and value, or username and password';

const options = fields.superRefine((given, context) => {
  const line = headerLine(given);
  if (!line) context.addIssue({ code: 'custom', message: FORMS });
  else if (!HEADER_VALUE.test(line[1]))
    context.addIssue({ code: 'custom', message: 'must be text that a header can hold, without line breaks' });
});

/** What an operator wrote down: it neither ends nor can be renewed. */
const kind: Kind<CredentialSource, Options> = {
  options,
  create(given, deps) {
    const line = headerLine(given);
    if (!line) throw new TypeError('the options were not checked by their schema');
    const [name, value] = line;
    return {
      scope: 'gateway',
      origins: given.origins,
      renewable: false,
      acquire: async () => ({ value, obtainedAt: deps.clock.now(), expiresAt: Number.POSITIVE_INFINITY }),
      present: (token) => ({ headers: [name, token.value], token }),
    };
  },
};

export default kind;

/** The header that the options describe, where they describe exactly one. */
function headerLine(given: Options): [name: string, value: string] | null {
  const { token, header, value, username, password } = given;
  const written = ['token', 'header', 'value', 'username', 'password'].filter(
    (name) => given[name as keyof Options] !== undefined,
  );
  if (token && written.length === 1) return ['Authorization', `Bearer ${token.reveal()}`];
  if (written.length !== 2) return null;
  if (header !== undefined && value) return [header, value.reveal()];
  if (username === undefined || !password) return null;
  return ['Authorization', `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`];
}
