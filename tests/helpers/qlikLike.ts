import { AsyncLocalStorage } from 'node:async_hooks';
import { type KeyObject, randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { decodeProtectedHeader, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { type Provider, type Seen, sendJson, startTokenServer } from './tokenServer.js';

export const QLIK_CLIENT = { clientId: '2f1d7a9c4b', clientSecret: 'b7c0ffee-qlik-secret' };

export interface QlikUser {
  readonly id: string;
  readonly subject: string;
  readonly disabled?: boolean;
}

export interface QlikSettings {
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Of the client, where it proves itself by assertion. */
  readonly clientKey?: { readonly key: KeyObject; readonly keyId: string };
  readonly users?: readonly QlikUser[];
  /** The JWT identity provider that the tenant trusts. */
  readonly idp?: { readonly issuer: string; readonly key: KeyObject; readonly keyId: string };
  readonly apiKeys?: readonly string[];
  /** Of access tokens; seconds. */
  readonly expiresIn?: number;
}

/** A call that came to the tenant's MCP endpoints, and as whom. */
export interface QlikCall {
  readonly path: string;
  readonly user: string | undefined;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

export interface QlikLike extends Provider {
  /** Qlik's own MCP server: OAuth tokens only. */
  readonly mcpUrl: string;
  /** Another one of the tenant, which takes each way in. */
  readonly otherUrl: string;
  readonly calls: readonly QlikCall[];
  /** Of every JWT that was exchanged for a session. */
  readonly logins: readonly JWTPayload[];
  /** All that is shown to the tenant besides the client's secret: access tokens, cookies, CSRF tokens. */
  readonly secrets: readonly string[];
  /** From now on no session that was opened so far, and no token, is known. */
  forget(): void;
}

const ALLOWED_ALGORITHMS = ['RS256', 'RS512', 'ES384'];
const IMPERSONATION = 'urn:qlik:oauth:user-impersonation';

interface Session {
  readonly user: string;
  readonly csrf: string;
}

/**
 * A stand-in for a tenant of Qlik Cloud: `/oauth/token` takes JSON or a form and answers `errors[]` instead of RFC 6749's
 * errors, with ES384 tokens for six hours; `/login/jwt-session` gives cookies, with which every POST needs a CSRF token.
 */
export async function startQlikLike(settings: QlikSettings = {}): Promise<QlikLike> {
  const tenant = new Tenant({ ...QLIK_CLIENT, ...settings }, (await generateKeyPair('ES384')).privateKey);
  const provider = await startTokenServer({
    tokenPath: '/oauth/token',
    handler: (url) => (request, response, seen) => {
      tenant.url = url;
      void tenant.serve(request, response, seen);
    },
  });
  return Object.assign(provider, {
    mcpUrl: `${provider.url}/api/ai/mcp`,
    otherUrl: `${provider.url}/api/other/mcp`,
    calls: tenant.calls,
    logins: tenant.logins,
    secrets: tenant.secrets,
    forget: () => tenant.forget(),
  });
}

class Tenant {
  url = '';
  readonly calls: QlikCall[] = [];
  readonly logins: JWTPayload[] = [];
  readonly secrets: string[] = [];
  readonly #given: QlikSettings & typeof QLIK_CLIENT;
  readonly #key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly #tokens = new Map<string, string>();
  readonly #sessions = new Map<string, Session>();
  readonly #usedIds = new Set<unknown>();
  readonly #calling = new AsyncLocalStorage<string>();
  readonly #mcp: RequestListener;

  constructor(
    given: QlikSettings & typeof QLIK_CLIENT,
    key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'],
  ) {
    this.#given = given;
    this.#key = key;
    const handler = createMcpHandler(() => this.#mcpServer(), { legacy: 'reject' });
    this.#mcp = toNodeHandler(handler) as RequestListener;
  }

  forget(): void {
    this.#tokens.clear();
    this.#sessions.clear();
  }

  async serve(request: IncomingMessage, response: ServerResponse, seen: Seen): Promise<void> {
    const at = `${request.method} ${request.url}`;
    if (at === 'POST /oauth/token') return this.#token(response, seen);
    if (at === 'POST /login/jwt-session') return this.#logIn(request, response);
    if (at === 'GET /api/v1/csrf-token') return this.#csrf(request, response);
    if (request.url === '/api/ai/mcp' || request.url === '/api/other/mcp') return this.#call(request, response);
    refuse(response, 404, 'HTTP-404', 'Not found');
  }

  async #token(response: ServerResponse, seen: Seen): Promise<void> {
    const body = bodyOf(seen);
    if (body?.client_id !== this.#given.clientId) return refuse(response, 401, 'OAUTH-1', 'Invalid client');
    if (!(await this.#provesItself(body))) return refuse(response, 401, 'OAUTH-22', 'Invalid client_secret');
    if (body.grant_type === 'client_credentials')
      return this.#issue(response, `qlikbot\\${this.#given.clientId}`, body.scope);
    if (body.grant_type !== IMPERSONATION) return refuse(response, 400, 'OAUTH-10', 'Unsupported grant_type');
    const user = this.#lookUp(body.user_lookup);
    if (!user) return refuse(response, 400, 'OAUTH-19', 'User not found');
    if (user.disabled) return refuse(response, 403, 'OAUTH-7', 'User is disabled');
    return this.#issue(response, user.subject, body.scope);
  }

  async #provesItself(body: Json): Promise<boolean> {
    const { clientKey, clientSecret, clientId } = this.#given;
    if (!clientKey) return body.client_secret === clientSecret;
    const assertion = String(body.client_assertion);
    const audience = `${this.url}/oauth/token`;
    try {
      const options = { issuer: clientId, subject: clientId, audience, algorithms: ALLOWED_ALGORITHMS };
      const { payload, protectedHeader } = await jwtVerify(assertion, clientKey.key, options);
      const life = (payload.exp ?? 0) - (payload.iat ?? 0);
      return protectedHeader.kid === clientKey.keyId && life > 0 && life <= 300 && this.#isNew(payload.jti);
    } catch {
      return false;
    }
  }

  #isNew(id: unknown): boolean {
    if (id === undefined || this.#usedIds.has(id)) return false;
    this.#usedIds.add(id);
    return true;
  }

  /** Nested JSON, which no form can carry. */
  #lookUp(lookup: unknown): QlikUser | undefined {
    const { field, value } = (typeof lookup === 'object' && lookup !== null ? lookup : {}) as Json;
    const name = field === 'userId' ? 'id' : field === 'subject' ? 'subject' : undefined;
    return name && this.#given.users?.find((user) => user[name] === value);
  }

  async #issue(response: ServerResponse, user: string, scope: unknown): Promise<void> {
    const expiresIn = this.#given.expiresIn ?? 21_600;
    const access_token = await new SignJWT({ sub: user, subType: 'user' })
      .setProtectedHeader({ alg: 'ES384', kid: 'qlik' })
      .setIssuer(this.url)
      .setIssuedAt()
      .setExpirationTime(`${expiresIn}s`)
      .setJti(randomUUID())
      .sign(this.#key);
    this.#tokens.set(access_token, user);
    this.secrets.push(access_token);
    const expires_at = new Date(Date.now() + expiresIn * 1000).toISOString();
    sendJson(response, 200, {
      access_token,
      token_type: 'bearer',
      expires_in: expiresIn,
      expires_at,
      scope: scope ?? 'user_default',
    });
  }

  async #logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const claims = await this.#judge(bearerOf(request) ?? '');
    if (!claims) return refuse(response, 401, 'AUTH-1', 'Invalid login', { detail: 'The JWT is not trusted.' });
    this.logins.push(claims);
    const id = `s:${randomUUID()}.canary`;
    const session = { user: String(claims.sub), csrf: `csrf-${randomUUID()}.canary` };
    this.#sessions.set(id, session);
    this.secrets.push(id, session.csrf);
    response.setHeader('set-cookie', [`eas.sid=${id}; Path=/; HttpOnly; Secure`, 'eas.sid.sig=abc; Path=/; HttpOnly']);
    sendJson(response, 200, {});
  }

  async #judge(jwt: string): Promise<JWTPayload | undefined> {
    const { idp } = this.#given;
    if (!idp) return undefined;
    try {
      if (decodeProtectedHeader(jwt).kid !== idp.keyId) return undefined;
      const options = { issuer: idp.issuer, audience: 'qlik.api/login/jwt-session', algorithms: ['RS256'] };
      const { payload } = await jwtVerify(jwt, idp.key, options);
      const { sub, subType, name, email, email_verified: verified, nbf, exp, iat, jti } = payload;
      const whole = [sub, name, email, nbf, exp, iat].every(Boolean) && typeof verified === 'boolean';
      const short = (exp ?? 0) - (nbf ?? 0) <= 3600;
      return whole && short && subType === 'user' && this.#isNew(jti) ? payload : undefined;
    } catch {
      return undefined;
    }
  }

  #csrf(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization)
      return refuse(response, 400, 'CSRF-TOKEN-2', 'Token is not supported for the auth mechanism being used');
    const session = this.#sessionOf(request);
    if (!session) return refuse(response, 401, 'AUTH-2', 'Unauthorized');
    response.writeHead(204, { 'qlik-csrf-token': session.csrf, 'set-cookie': `_csrf=${randomUUID()}; Path=/` }).end();
  }

  #sessionOf(request: IncomingMessage): Session | undefined {
    const id = /(?:^|; )eas\.sid=([^;]*)/.exec(request.headers.cookie ?? '')?.[1];
    return id === undefined ? undefined : this.#sessions.get(id);
  }

  #call(request: IncomingMessage, response: ServerResponse): void {
    const { authorization, cookie } = request.headers;
    const token = bearerOf(request) ?? '';
    const official = request.url === '/api/ai/mcp';
    const session = official ? undefined : this.#sessionOf(request);
    const byKey = !official && this.#given.apiKeys?.includes(token) ? 'the owner of the key' : undefined;
    const user = this.#tokens.get(token) ?? byKey ?? session?.user;
    this.calls.push({ path: String(request.url), user, authorization, cookie });
    if (user === undefined) {
      response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
      return refuse(response, 401, 'AUTH-2', 'Unauthorized');
    }
    if (session && request.method !== 'GET' && request.headers['qlik-csrf-token'] !== session.csrf)
      return refuse(response, 403, 'CSRF-TOKEN-1', 'Invalid csrf token');
    if (session) response.setHeader('set-cookie', `${cookie?.split('; ')[0]}; Path=/; HttpOnly`);
    this.#calling.run(user, () => this.#mcp(request, response));
  }

  #mcpServer(): McpServer {
    const server = new McpServer({ name: 'qlik', version: '1.0.0' }, { capabilities: { tools: {} } });
    server.registerTool('whoami', {}, () => ({
      content: [{ type: 'text' as const, text: this.#calling.getStore() ?? 'nobody' }],
    }));
    return server;
  }
}

type Json = Readonly<Record<string, unknown>>;

function refuse(response: ServerResponse, status: number, code: string, title: string, more: object = {}): void {
  const errors = [{ code, title, ...more, status: String(status), meta: {} }];
  sendJson(response, status, { errors, traceId: 'f3a1' });
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
}

function bodyOf({ headers, body }: Seen): Json | undefined {
  if (headers['content-type'] !== 'application/json') return Object.fromEntries(new URLSearchParams(body));
  try {
    return JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
}
