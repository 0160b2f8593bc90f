import { answersRoutes } from './answersRoutes.js';
import { appRoutes } from './appRoutes.js';
import { automationRoutes } from './automationRoutes.js';
import { collectionRoutes } from './collectionRoutes.js';
import { dataRoutes } from './dataRoutes.js';
import { EngineServer } from './engineServer.js';
import { glossaryRoutes } from './glossaryRoutes.js';
import { governanceRoutes } from './governanceRoutes.js';
import { HttpServer } from './httpServer.js';
import { itemRoutes } from './itemRoutes.js';
import { lineageRoutes } from './lineageRoutes.js';
import { loginRoutes } from './loginRoutes.js';
import { peopleRoutes } from './peopleRoutes.js';
import { reloadRoutes, stepReload } from './reloadRoutes.js';
import { type Route, Router } from './router.js';
import { scriptRoutes } from './scriptRoutes.js';
import { spaceRoutes } from './spaceRoutes.js';
import { taskRoutes } from './taskRoutes.js';
import { Tenant } from './tenant.js';
import { Tokens } from './tokens.js';
import type { MockQlik, MockQlikOptions } from './types.js';
import { userRoutes } from './userRoutes.js';

/** Starts a tenant of a make-believe Qlik Cloud on a free port of 127.0.0.1: logins, REST and the engine. */
export async function startMockQlik(options: MockQlikOptions = {}): Promise<MockQlik> {
  const tenant = new Tenant(options, await Tokens.create());
  const login = loginRoutes(tenant);
  const http = new HttpServer(tenant, login);
  const engine = new EngineServer(tenant, http.server);
  http.route(new Router(tenant, routesOf(tenant, engine)));
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

function routesOf(tenant: Tenant, engine: EngineServer): Route[] {
  return [
    ...itemRoutes,
    ...spaceRoutes,
    ...userRoutes,
    ...peopleRoutes(tenant),
    ...dataRoutes,
    ...glossaryRoutes,
    ...collectionRoutes,
    ...taskRoutes,
    ...automationRoutes,
    ...governanceRoutes,
    ...lineageRoutes,
    ...answersRoutes,
    ...appRoutes(engine),
    ...reloadRoutes(engine),
    ...scriptRoutes(engine),
  ];
}
