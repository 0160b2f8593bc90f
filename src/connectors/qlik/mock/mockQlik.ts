import { appRoutes } from './appRoutes.js';
import { EngineServer } from './engineServer.js';
import { HttpServer } from './httpServer.js';
import { itemRoutes } from './itemRoutes.js';
import { loginRoutes } from './loginRoutes.js';
import { reloadRoutes, stepReload } from './reloadRoutes.js';
import { Router } from './router.js';
import { spaceRoutes } from './spaceRoutes.js';
import { Tenant } from './tenant.js';
import { Tokens } from './tokens.js';
import type { MockQlik, MockQlikOptions } from './types.js';
import { userRoutes } from './userRoutes.js';

/** Starts a tenant of a make-believe Qlik Cloud on a free port of 127.0.0.1: logins, REST and the engine. */
export async function startMockQlik(options: MockQlikOptions = {}): Promise<MockQlik> {
  const tenant = new Tenant(options, await Tokens.create());
  const login = loginRoutes(tenant);
  const routes = [...itemRoutes, ...spaceRoutes, ...userRoutes];
  const http = new HttpServer(tenant, login);
  const engine = new EngineServer(tenant, http.server);
  http.route(new Router(tenant, [...routes, ...appRoutes(engine), ...reloadRoutes(engine)]));
  tenant.origin = await http.listen();
  return {
    origin: tenant.origin,
    tenantId: tenant.id,
    ledger: tenant.ledger.entries,
    faults: tenant.faults,
    count: (like) => tenant.ledger.count(like),
    forget: () => tenant.ledger.forget(),
    get openSockets() {
      return engine.sockets.size;
    },
    get engineSessions() {
      return engine.sessions;
    },
    mint: (userId, scope = 'user_default') =>
      login.endpoint.mint({ userId, clientId: undefined, scopes: scope.split(' ') }),
    stepReload: (id, end) => stepReload(tenant, id, end),
    approve: (clientId) => {
      const client = tenant.client(clientId);
      if (!client) throw new Error(`no client ${clientId}`);
      client.approved = true;
    },
    records: (resource) => [...tenant.rows(resource).values()],
    close: async () => {
      await engine.close();
      await http.close();
    },
  };
}
