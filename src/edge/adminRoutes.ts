import * as z from 'zod';
import { auditRoutes } from './adminRoutesAudit.js';
import { keyRoutes } from './adminRoutesKeys.js';
import { liveRoutes } from './adminRoutesLive.js';
import { processRoutes } from './adminRoutesProcess.js';
import { runtimeRoutes } from './adminRoutesRuntime.js';
import { type AdminRoute, ANY, type Caller, NONE, route } from './adminSchema.js';

const whoami = route({
  method: 'get',
  path: '/whoami',
  permission: ANY,
  operation: 'whoami',
  summary: 'Who calls, and what they may do here',
  params: NONE,
  query: NONE,
  body: NONE,
  answer: z.object({
    subject: z.string(),
    tenant: z.string().optional(),
    roles: z.array(z.string()),
    destinations: z.array(z.string()).optional(),
    permissions: z.array(z.string()),
  }),
  handle: (_input, caller) => {
    const { subject, tenant, roles, destinations } = caller.principal;
    return {
      subject,
      roles: [...roles],
      permissions: PERMISSIONS.filter((permission) => caller.deps.permits(caller.principal, permission)),
      ...(tenant === undefined ? {} : { tenant }),
      ...(destinations === undefined ? {} : { destinations: [...destinations] }),
    };
  },
});

/** The one table: from it come the router, the permission check, the audit lines, OpenAPI and the interactive page. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  whoami,
  ...keyRoutes,
  ...runtimeRoutes,
  ...liveRoutes,
  ...processRoutes,
  ...auditRoutes,
];

/** Every permission that the table asks for. */
export const PERMISSIONS: readonly string[] = [
  ...new Set(ADMIN_ROUTES.map(({ permission }) => permission).filter((permission) => permission !== ANY)),
];

/** Whether a caller may use a route. */
export function mayUse({ deps, principal }: Caller, { permission }: AdminRoute): boolean {
  if (permission !== ANY) return deps.permits(principal, permission);
  return PERMISSIONS.some((one) => deps.permits(principal, one));
}
