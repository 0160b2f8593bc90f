import * as z from 'zod';
import { httpUrl, secret } from '../core/schema.js';
import { refreshMs } from './options.js';

/** Where something is mounted: segments of a path. */
const mount = z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be a mount such as secret or team/kv');

const fields = z.strictObject({
  url: httpUrl(),
  token: secret().optional(),
  appRole: z
    .strictObject({ roleId: z.string().min(1), secretId: secret().optional(), mount: mount.default('approle') })
    .optional(),
  kubernetes: z
    .strictObject({
      role: z.string().min(1),
      mount: mount.default('kubernetes'),
      tokenFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
    })
    .optional(),
  /** Vault Enterprise and OpenBao. */
  namespace: z
    .string()
    .regex(/^[\w./-]+$/, 'must be a namespace such as admin/team')
    .optional(),
  /** Of the key-value engine. */
  mount: mount.default('secret'),
  /** Of the key-value engine. */
  version: z.enum(['1', '2']).default('2'),
  /** Certificate authorities to trust instead of Node's own, PEM. */
  ca: z.string().min(1).optional(),
  refreshMs: refreshMs(),
});

export type VaultOptions = z.infer<typeof fields>;

const LOGINS = ['token', 'appRole', 'kubernetes'] as const;

/** One way to log in, and where. */
export const vaultOptions = fields.superRefine((given, context) => {
  const said = LOGINS.filter((name) => given[name] !== undefined);
  if (said.length === 1) return;
  const message =
    said.length === 0 ? 'needs token, appRole or kubernetes' : `has ${said.join(' and ')}: keep one of them`;
  context.addIssue({ code: 'custom', message });
});
