import * as z from 'zod';
import type { CredentialSource, Kind } from '../contracts.js';
import { headerName, headerValue, origin, secret } from '../core/schema.js';

const fields = z.strictObject({
  /** Shown as `Authorization: Bearer`. */
  token: secret().optional(),
  /** A header of its own, with `value`. */
  header: headerName().optional(),
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
  else if (!headerValue().safeParse(line[1]).success)
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
