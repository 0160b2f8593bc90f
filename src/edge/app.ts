import { randomBytes } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NextFunction, Request, Response, Router } from 'express';
import type { Principal } from '../contracts/principal.js';
import type { Exchange, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { socketsOf } from '../wire/exchange.js';
import { splitTarget } from '../wire/paths.js';
import { ADMIN_BASE, type AdminDeps, LOCAL, UI_PATH } from './admin.js';
import { ADMIN_ROUTES, mayUse } from './adminRoutes.js';
import { callRoute, identified } from './adminRoutesCall.js';
import { type AdminRoute, missing } from './adminSchema.js';
import { docsPage, docsPolicy } from './docsPage.js';
import { openapi } from './openapi.js';
import { type AdminListener, ownListener } from './ownListener.js';
import { uiHeaders, uiPage } from './ui/page.js';

export type { AdminListener } from './ownListener.js';

/** A request on its way through Express, and who waits for its reply. */
interface Waiting {
  readonly exchange: Exchange;
  principal?: Principal;
  settle(reply: Reply | Promise<Reply>): void;
}

/**
 * A path that means the same to everybody who reads it: no empty or dotted segment, nothing encoded that would be one,
 * or a separator (RFC 3986 section 3.3).
 */
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))(?:[\w~!$&'()*+,;=:@.-]|%(?!2[ef]|5c|00)[0-9a-f]{2})+)+$/i;

/** The management API, `/openapi.json`, `/docs` and `/ui`, as a listener for `node:http`. Loads Express. */
export async function createAdminApp(deps: AdminDeps): Promise<AdminListener> {
  const serve = await createExpress(deps);
  return ownListener((exchange) => new Promise<Reply>((settle) => serve(exchange, settle)), deps);
}

/** Express and the table in it. Every request ends in exactly one reply; Express itself answers nothing. */
async function createExpress(deps: AdminDeps) {
  const { express } = await import('./expressApp.js');
  const waiting = new WeakMap<IncomingMessage, Waiting>();
  const of = (request: Request) => waiting.get(request) as Waiting;
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.enable('case sensitive routing').enable('strict routing').set('query parser', false);
  app.use((request, _response, next) => {
    if (!PLAIN_PATH.test(splitTarget(of(request).exchange.request.target)[0])) throw notHere();
    next();
  });
  // Where nobody can be known, nothing is there at all but what people at this machine may see.
  if (deps.identify ?? deps.local) {
    if (deps.identify) addDocuments(app, deps, of);
    if (deps.ui) addPage(app, deps, of);
    const api = express.Router({ caseSensitive: true, strict: true });
    addRoutes(api, deps, of);
    app.use(ADMIN_BASE, api);
  }
  app.use(() => {
    throw notHere();
  });
  app.use((error: unknown, request: Request, _response: Response, _next: NextFunction) => {
    of(request).settle(Promise.reject(readable(error)));
  });
  return (exchange: Exchange, settle: Waiting['settle']) => {
    const { request, response } = socketsOf(exchange.request);
    waiting.set(request, { exchange, settle });
    app(request, response as ServerResponse);
  };
}

type Of = (request: Request) => Waiting;

/** Of a page of our own, or typed by a person. */
const OWN_SITES = new Set(['same-origin', 'none']);

function addDocuments(router: Pick<Router, 'get' | 'all'>, deps: AdminDeps, of: Of): void {
  const described = Buffer.from(JSON.stringify(openapi(ADMIN_ROUTES, deps.version)));
  router.get('/openapi.json', (request) => of(request).settle(reply(200, 'application/json', described)));
  router.get('/docs', (request) => {
    const nonce = randomBytes(16).toString('base64');
    const page = Buffer.from(docsPage(nonce));
    const policy = ['content-security-policy', docsPolicy(nonce)];
    of(request).settle(reply(200, 'text/html; charset=utf-8', page, policy));
  });
  for (const path of ['/openapi.json', '/docs']) router.all(path, () => refuseMethod(['GET']));
}

/** It holds nothing that is anybody's: whoever looks at it shows it who they are. */
function addPage(router: Pick<Router, 'get' | 'all'>, deps: AdminDeps, of: Of): void {
  router.get(UI_PATH, (request) => {
    const { exchange, settle } = of(request);
    if (!deps.identify && !deps.local?.(exchange)) throw notHere();
    const nonce = randomBytes(16).toString('base64');
    settle(reply(200, 'text/html; charset=utf-8', Buffer.from(uiPage(nonce)), uiHeaders(nonce)));
  });
  router.all(UI_PATH, () => refuseMethod(['GET']));
}

/** Nobody gets past the first step unknown; each route asks for its own permission, so that no path leads around it. */
function addRoutes(api: Router, deps: AdminDeps, of: Of): void {
  api.use(async (request, _response, next) => {
    const waiting = of(request);
    waiting.principal = deps.identify ? await identified(waiting.exchange, deps) : atHome(waiting.exchange, deps);
    next();
  });
  const routes = routesOf(deps);
  for (const route of routes) {
    api[route.method](toExpress(route.path), (request) => {
      const { exchange, principal, settle } = of(request);
      if (!principal) throw notHere();
      settle(callRoute(route, exchange, { ...request.params }, { principal, deps }));
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    api.all(toExpress(path), () => refuseMethod(methods));
  }
}

/** Where callers can't be known, what people at this machine may not use isn't there. */
function routesOf(deps: AdminDeps): readonly AdminRoute[] {
  return deps.identify ? ADMIN_ROUTES : ADMIN_ROUTES.filter((route) => mayUse({ deps, principal: LOCAL }, route));
}

/** Another site's page can make a browser at this machine call, though not read the answer: it would take up places. */
function atHome(exchange: Exchange, deps: AdminDeps): Principal {
  const site = exchange.request.header('sec-fetch-site');
  const principal = site === undefined || OWN_SITES.has(site) ? deps.local?.(exchange) : undefined;
  if (!principal) throw notHere();
  return principal;
}

/** `/keys/{id}` as Express writes it. */
function toExpress(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function reply(status: number, mediaType: string, body: Buffer, more: readonly string[] = []): Reply {
  const headers = ['content-type', mediaType, 'content-length', String(body.length), ...more];
  return { status, headers, body, origin: 'gateway' };
}

function refuseMethod(methods: readonly string[]): never {
  const allow = methods.join(', ');
  throw new GatewayError('METHOD_NOT_ALLOWED', 'the path does not take this method', {
    hint: `Use ${allow}.`,
    headers: ['allow', allow],
  });
}

function notHere(): GatewayError {
  return missing(
    'there is nothing here',
    'Check the path; where callers are known, /openapi.json lists what there is.',
  );
}

/** Express fails by itself in one way only: a path whose encoding is broken. */
function readable(error: unknown): unknown {
  if (error instanceof GatewayError || (error as { status?: unknown } | null)?.status !== 400) return error;
  return new GatewayError('INVALID_REQUEST', 'the path is not well-formed', { hint: 'Encode the path as UTF-8.' });
}

const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_MS = 15_000;
const REQUEST_MS = 30_000;
const CLOSE_MS = 5000;

/** Opens a listener of its own for the management API. `close` lets running calls end, for five seconds at most. */
export function listenAdmin(
  app: AdminListener,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const limits = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS };
  const server = http.createServer(limits, app);
  const close = () =>
    new Promise<void>((resolve) => {
      const late = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      server.close(() => {
        clearTimeout(late);
        resolve();
      });
      server.closeIdleConnections();
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const { address, family, port: taken } = server.address() as AddressInfo;
      resolve({ url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`, close });
    });
  });
}
