import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeJwt } from 'jose';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { type Answer, callTool, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { type LoginProvider, startLoginProvider } from '../helpers/oauthLogin.js';
import { type Seen, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { freePort } from './callersWorld.js';

/** A Drawbridge with a public address before a server that lets everybody in, and wants a person behind each call of a tool. */
export interface PublicLoginWorld {
  readonly provider: LoginProvider;
  readonly upstream: Upstream;
  readonly drawbridge: Drawbridge;
  /** The headers by which each caller is known. */
  readonly callers: Readonly<Record<string, Record<string, string>>>;
  /** Calls the server's one tool: the name of whoever its token is of, or the code of the error. */
  whoAmI(caller: string): Promise<string | undefined>;
  /** Where the answer to a call sends a person. */
  address(caller: string): Promise<URL>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: { readonly _meta?: object };
}

/** `credential`: what of it isn't as with mcp-oauth, of the provider at that address. */
export async function startPublicLoginWorld(
  names: readonly string[],
  args: readonly string[] = [],
  credential: (issuer: string, server: string) => object = () => ({}),
): Promise<PublicLoginWorld> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-public-'));
  const keyFile = path.join(folder, 'keys.json');
  const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
  const callers: Record<string, Record<string, string>> = {};
  for (const name of names) callers[name] = { 'x-api-key': (await ring.create({ name })).key };
  const port = await freePort();
  const provider = await startLoginProvider({ clients: [clientAt(port)] });
  const upstream = await startPeopleServer(provider);
  const config = {
    server: { publicUrl: `http://127.0.0.1:${port}`, keyFile },
    destinations: { tools: { kind: 'http', url: upstream.url, credential: 'login', era: 'both' } },
    credentials: {
      login: {
        kind: 'mcp-oauth',
        for: 'caller',
        origins: [upstream.origin],
        ...credential(provider.url, upstream.url),
      },
    },
    identity: { keys: { kind: 'api-key' } },
  };
  const drawbridge = await startDrawbridge(config, { args: ['--port', String(port), ...args] });
  const ask = (caller: string) => callTool(`${drawbridge.url}/mcp/tools`, 'whoami', callers[caller]);
  return {
    provider,
    upstream,
    drawbridge,
    callers,
    whoAmI: async (caller) => nameIn(await ask(caller)),
    address: async (caller) => addressIn(await ask(caller)),
    close: async () => {
      await drawbridge.stop();
      await Promise.all([upstream.close(), provider.close(), rm(folder, { recursive: true, force: true })]);
    },
  };
}

/** Registered by hand, for the public address. */
function clientAt(port: number) {
  return {
    client_id: 'by-hand',
    application_type: 'native' as const,
    redirect_uris: [`http://127.0.0.1:${port}/oauth/callback`],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code' as const],
    token_endpoint_auth_method: 'none' as const,
    scope: 'mcp:read',
  };
}

/** Lets everybody in; each call of its tool needs a token of the provider, and is answered with the name of whom that is of. */
export async function startPeopleServer(provider: LoginProvider): Promise<Upstream> {
  const upstream: Upstream = await startUpstream((seen, response) => {
    const { status, body, headers = {} } = answer(seen, upstream, provider.url);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body && JSON.stringify(body));
  });
  return upstream;
}

function nameIn(answered: Answer): string | undefined {
  const { result } = JSON.parse(answered.text) as { result?: { content: { text: string }[] } };
  return result?.content[0]?.text ?? codeOf(answered);
}

export function addressIn(answered: Answer): URL {
  expect([answered.status, codeOf(answered)]).toEqual([403, 'LOGIN_REQUIRED']);
  const { hint } = (JSON.parse(answered.text) as { error: { data: { hint: string } } }).error.data;
  return new URL(/https?:\S+/.exec(hint)?.[0] ?? '');
}

interface Said {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

function answer(seen: Seen, upstream: Upstream, issuer: string): Said {
  if (seen.url.startsWith('/.well-known/')) {
    return {
      status: 200,
      body: { resource: upstream.url, authorization_servers: [issuer], scopes_supported: ['mcp:read'] },
    };
  }
  if (seen.method !== 'POST') return { status: 405 };
  const message = JSON.parse(seen.body.toString()) as Message;
  if (message.id === undefined) return { status: 202 };
  const result = resultOf(message, seen);
  if (result) {
    const session = message.method === 'initialize' ? { 'mcp-session-id': `session-${upstream.requests.length}` } : {};
    const rest = message.params?._meta ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {};
    return { status: 200, body: { jsonrpc: '2.0', id: message.id, result: { ...rest, ...result } }, headers: session };
  }
  const metadata = `${upstream.origin}/.well-known/oauth-protected-resource`;
  return { status: 401, headers: { 'www-authenticate': `Bearer resource_metadata="${metadata}"` } };
}

function resultOf({ method, params }: Message, seen: Seen): object | undefined {
  const common = { capabilities: { tools: {} }, serverInfo: { name: 'people', version: '1' } };
  if (method === 'initialize') return { protocolVersion: '2025-11-25', ...common };
  if (method === 'server/discover') return { supportedVersions: ['2026-07-28'], ...common };
  if (method === 'tools/list') return { tools: [{ name: 'whoami', inputSchema: { type: 'object' } }] };
  const token = /^Bearer (.+)$/.exec(seen.header('authorization') ?? '')?.[1];
  // What was asked by somebody else is none of this server's business.
  if (JSON.stringify(params).includes('inputResponses')) return { content: [{ type: 'text', text: 'a stray answer' }] };
  return token === undefined ? undefined : { content: [{ type: 'text', text: String(decodeJwt(token).sub) }] };
}
