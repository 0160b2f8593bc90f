import * as z from 'zod';
import { isRule, RULE_FORM } from './rules.js';

const rule = z.string().refine(isRule, RULE_FORM);

/** A condition in CEL. It is compiled when the rules are: its package is loaded only where there is one. */
const when = z.string().min(1).max(4_096);

const grant = z.union([rule, z.strictObject({ rule, when: when.exactOptional() })]);

const role = z.strictObject({
  /** What its holders may do. */
  allow: z.array(grant).default([]),
  /** What they may not, whatever another role allows. */
  deny: z.array(grant).default([]),
  /** What its holders may do by the management API: globs such as `admin/keys/*`; `admin/*` is everything. */
  admin: z
    .array(z.string().regex(/^admin\/[\w*/-]+$/, 'must be such as admin/keys/read, admin/keys/* or admin/*'))
    .default([]),
  /** Under which condition the whole role counts. */
  when: when.exactOptional(),
});

/** A scope token (RFC 6749 section 3.3). */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be one scope, without spaces and quotes');

const destinations = z
  .array(z.string().regex(/^[\w.*-]{1,64}$/, 'must be the name of a destination; * stands for any characters'))
  .min(1);

/** The section `permissions`. Where it is written, what no role allows is refused. */
export const permissionsSchema = z
  .strictObject({
    roles: z.record(z.string().min(1).max(256), role),
    /** Roles that every known caller has. */
    default: z.array(z.string()).default([]),
    /** Which scopes a token needs for a call, besides the role that allows it. */
    scopes: z.record(rule, z.union([scope, z.array(scope).min(1)])).default({}),
    /** Destinations that belong to a tenant: for all others they don't exist. */
    tenants: z.record(z.string().min(1).max(256), z.strictObject({ destinations })).default({}),
  })
  .superRefine((given, context) => {
    given.default.forEach((name, index) => {
      if (Object.hasOwn(given.roles, name)) return;
      context.addIssue({ code: 'custom', path: ['default', index], message: `there is no role ${name}` });
    });
  });

export type PermissionsOptions = z.output<typeof permissionsSchema>;
