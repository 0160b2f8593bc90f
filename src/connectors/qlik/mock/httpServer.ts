import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsedOrNothing } from '../../../core/json.js';
import { type Answer, type Ask, type Caller, readBody } from './ask.js';
import { bearerOf, callerOf } from './callerOf.js';
import type { LoginRoutes } from './loginRoutes.js';
import { serveMcp } from './mcpEndpoint.js';
import { limited, notFound, Refusal, unauthorized } from './refusal.js';
import type { Router } from './router.js';
import type { Tenant } from './tenant.js';

/** The tenant's HTTP side: faults first, then who calls, then the route; each request is a line of the ledger. */
export class HttpServer {
  readonly server: Server;
  readonly #tenant: Tenant;
  readonly #login: LoginRoutes;
  #router: Router | undefined;

  constructor(tenant: Tenant, login: LoginRoutes) {
    this.#tenant = tenant;
    this.#login = login;
    this.server = createServer((request, response) => void this.#serve(request, response));
  }

  /** What serves the API. */
  route(router: Router): void {
    this.#router = router;
  }

  /** Resolves with the origin. */
  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A caller that leaves in the middle of an answer is no reason to fall over.
    response.on('error', () => {});
    if (serveMcp(this.#tenant, request, response)) return;
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s);
    try {
      const body = await readBody(request);
      const { method = '', headers } = request;
      const asked = { method, path, query: new URLSearchParams(query), headers, body, origin: this.#tenant.origin };
      send(response, await this.#answer(asked, query));
    } catch {
      response.destroy();
    }
  }

  async #answer(ask: Ask, query: string): Promise<Answer> {
    const delay = this.#tenant.faults.delayOf(ask.path);
    if (delay > 0) await sleep(delay);
    const login = /^\/(?:oauth|login|\.well-known)\/|^\/api\/v1\/csrf-token$/.test(ask.path);
    const caller = login ? undefined : callerOf(this.#tenant, ask.headers);
    const answer = await this.#try(ask, login, caller);
    const bearer = bearerOf(ask.headers);
    this.#tenant.ledger.add({
      kind: login ? 'login' : 'rest',
      who: caller?.subject ?? (login ? fieldOf(ask, 'client_id') : undefined),
      method: ask.method,
      path: ask.path,
      query,
      status: answer.status,
      ...(bearer === undefined ? {} : { bearer }),
      ...(ask.path === '/oauth/token' ? { grant: fieldOf(ask, 'grant_type') ?? '' } : bodyOf(ask)),
    });
    return answer;
  }

  async #try(ask: Ask, login: boolean, caller: Caller | undefined): Promise<Answer> {
    try {
      const fault = this.#tenant.faults.failures.take(({ path }) => ask.path.startsWith(path));
      if (fault?.status === 429) throw limited(1);
      if (fault) throw new Refusal(fault.status, `HTTP-${fault.status}`, 'A fault that was asked for');
      const served = this.#login.serve(ask);
      if (served) return await served;
      if (login) throw notFound();
      if (!caller) throw unauthorized();
      if (!this.#router) throw notFound();
      return await this.#router.serve(ask, caller);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.status, json: error.body(randomUUID()), headers: error.headers };
    }
  }
}

function fieldOf({ body, headers }: Ask, name: string): string | undefined {
  const json = headers['content-type']?.startsWith('application/json') ? parsedOrNothing(body) : undefined;
  const value = json ? (json as Record<string, unknown>)[name] : new URLSearchParams(body).get(name);
  return typeof value === 'string' ? value : undefined;
}

function bodyOf({ body, headers }: Ask): { body?: unknown } {
  if (body === '') return {};
  return { body: headers['content-type']?.includes('json') ? (parsedOrNothing(body) ?? body) : body };
}

function send(response: ServerResponse, { status, json, text, headers = {} }: Answer): void {
  const type = json === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' };
  const body = json === undefined ? text : JSON.stringify(json);
  response.writeHead(status, { ...type, ...(headers as Record<string, string>) }).end(body);
}
