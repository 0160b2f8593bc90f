import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a manager sees it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered: an object as JSON, a text as it stands. */
export interface Said {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeManager {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Every request is answered with this status from now on; undefined: as usual. `0` breaks the connection. */
  fail(status: number | undefined): void;
  close(): Promise<void>;
}

/** A server on 127.0.0.1 that answers as `answer` says. */
export async function startManager(answer: (asked: Asked) => Said): Promise<FakeManager> {
  const asked: Asked[] = [];
  let failing: number | undefined;
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake');
    const one = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    asked.push(one);
    if (failing === 0) return void response.destroy();
    const said: Said = failing === undefined ? answer(one) : { status: failing };
    const { status, body, headers } = said;
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    fail: (status) => {
      failing = status;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refused(status: number, ...errors: string[]): Said {
  return { status, body: { errors } };
}

export interface FakeVault extends FakeManager {
  /** By `mount/path`. */
  readonly secrets: Map<string, Record<string, unknown>>;
  /** Tokens that are taken: seconds that each lives, and whether it may be renewed. */
  readonly tokens: Map<string, { readonly ttl: number; readonly renewable: boolean }>;
}

/** The parts of Vault's HTTP interface that are documented for KV 1 and 2, token, AppRole and Kubernetes. */
export async function startVault(
  settings: { readonly namespace?: string; readonly ttl?: number } = {},
): Promise<FakeVault> {
  const secrets: FakeVault['secrets'] = new Map();
  const tokens: FakeVault['tokens'] = new Map([['root', { ttl: 0, renewable: false }]]);
  const { namespace, ttl = 3600 } = settings;
  let logins = 0;
  const login = (): Said => {
    const token = `login-${++logins}`;
    tokens.set(token, { ttl, renewable: true });
    return { status: 200, body: { auth: { client_token: token, lease_duration: ttl, renewable: true } } };
  };
  const LOGINS: Readonly<Record<string, (body: Record<string, unknown>) => boolean>> = {
    '/v1/auth/approle/login': ({ role_id, secret_id }) => role_id === 'role' && secret_id === 'secret-id',
    '/v1/auth/kubernetes/login': ({ role, jwt }) => role === 'bridge' && jwt === 'pod.jwt',
  };
  const ofToken = (asked: Asked, given: string): Said | undefined => {
    const token = tokens.get(given);
    if (!token) return refused(403, 'permission denied');
    if (asked.path === '/v1/auth/token/lookup-self' && asked.method === 'GET')
      return { status: 200, body: { data: token } };
    if (asked.path !== '/v1/auth/token/renew-self' || asked.method !== 'POST') return undefined;
    if (!token.renewable) return refused(400, 'lease is not renewable');
    return { status: 200, body: { auth: { client_token: given, lease_duration: token.ttl, renewable: true } } };
  };
  const secret = ({ path }: Asked): Said => {
    const [, mount, kv2, rest] = /^\/v1\/([\w-]+)\/(data\/)?(.+)$/.exec(decodeURIComponent(path)) ?? [];
    const data = secrets.get(`${mount}/${rest}`);
    if (!data) return refused(404);
    if (kv2 === undefined) return { status: 200, body: { lease_duration: 2_764_800, data } };
    return { status: 200, body: { lease_duration: 0, data: { data, metadata: { version: 1, deletion_time: '' } } } };
  };
  const manager = await startManager((asked) => {
    const { method, path, headers, body } = asked;
    if (headers['x-vault-request'] !== 'true') return refused(400, 'no request header');
    if (headers['x-vault-namespace'] !== namespace) return refused(403, 'permission denied');
    const proves = LOGINS[path];
    if (proves)
      return method === 'POST' && proves(JSON.parse(body)) ? login() : refused(400, 'invalid role or secret ID');
    return ofToken(asked, String(headers['x-vault-token'])) ?? (method === 'GET' ? secret(asked) : refused(405));
  });
  return Object.assign(manager, { secrets, tokens });
}

/** Whether a request carries a signature of version 4 by that secret: checked from what came, by AWS' description. */
export function isSignedV4(
  { method, path, headers, body }: Asked,
  secret: string,
  region: string,
  service: string,
): boolean {
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^,]+), SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
    headers.authorization ?? '',
  );
  const [, , day = '', scope, signed = '', signature] = parts ?? [];
  const names = signed.split(';');
  if (scope !== `${region}/${service}/aws4_request` || !names.includes('host') || !names.includes('x-amz-date'))
    return false;
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const mac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();
  const lines = names.map((name) => `${name}:${String(headers[name]).trim()}\n`).join('');
  const canonical = `${method}\n${path}\n\n${lines}\n${signed}\n${hash(body)}`;
  const text = `AWS4-HMAC-SHA256\n${headers['x-amz-date']}\n${day}/${scope}\n${hash(canonical)}`;
  const key = mac(mac(mac(mac(`AWS4${secret}`, day), region), service), 'aws4_request');
  return mac(key, text).toString('hex') === signature;
}
