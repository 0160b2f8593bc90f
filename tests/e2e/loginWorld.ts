import { decodeJwt } from 'jose';
import { type Answer, call, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { Browser, type LoginProvider, type LoginProviderSettings, startLoginProvider } from '../helpers/oauthLogin.js';
import { startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

/** An MCP server that wants tokens of a real provider, and answers every call with the name of whoever the token is of. */
export interface LoginWorld {
  readonly provider: LoginProvider;
  readonly upstream: Upstream;
  /** Every token that it was shown. */
  readonly shown: Set<string>;
  /** Tokens that it takes no more. */
  readonly refused: Set<string>;
  /** The configuration of a Drawbridge in front of it. */
  config(credential?: object, rest?: object): object;
  close(): Promise<void>;
}

export async function startLoginWorld(settings: LoginProviderSettings = {}): Promise<LoginWorld> {
  const provider = await startLoginProvider(settings);
  const shown = new Set<string>();
  const refused = new Set<string>();
  const upstream: Upstream = await startUpstream((seen, response) => {
    const json = { 'content-type': 'application/json' };
    if (seen.url.startsWith('/.well-known/oauth-protected-resource')) {
      const metadata = {
        resource: upstream.url,
        authorization_servers: [provider.url],
        scopes_supported: ['mcp:read'],
      };
      response.writeHead(200, json).end(JSON.stringify(metadata));
      return;
    }
    const token = /^Bearer (.+)$/.exec(seen.header('authorization') ?? '')?.[1];
    if (token !== undefined) shown.add(token);
    if (token === undefined || refused.has(token) || Date.now() >= Number(decodeJwt(token).exp) * 1000) {
      const metadata = `${upstream.origin}/.well-known/oauth-protected-resource`;
      response.writeHead(401, { ...json, 'www-authenticate': `Bearer resource_metadata="${metadata}"` }).end('{}');
      return;
    }
    response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":1,"result":{"user":"${decodeJwt(token).sub}"}}`);
  });
  return {
    provider,
    upstream,
    shown,
    refused,
    config: (credential = {}, rest = {}) => ({
      destinations: { tools: { kind: 'http', url: upstream.url, credential: 'login', era: 'legacy' } },
      credentials: { login: { kind: 'mcp-oauth', origins: [upstream.origin], ...credential } },
      ...rest,
    }),
    close: async () => {
      await Promise.all([upstream.close(), provider.close()]);
    },
  };
}

/** A process whose tokens are kept in that folder. */
export function startKeeping(world: LoginWorld, home: string, credential: object = {}): Promise<Drawbridge> {
  return startDrawbridge(world.config(credential), { args: ['--persist'], env: { HOME: home } });
}

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };

/** One call, and what came of it: the user that the server saw, or the code of the error. */
export async function whoAmI(drawbridge: Drawbridge, headers: Record<string, string> = {}): Promise<unknown> {
  const answer = await ask(drawbridge, headers);
  if (answer.status !== 200) return codeOf(answer);
  return (JSON.parse(answer.text) as { result: { user: string } }).result.user;
}

function ask(drawbridge: Drawbridge, headers: Record<string, string>): Promise<Answer> {
  return call(`${drawbridge.url}/mcp/tools`, 'initialize', INITIALIZE, headers);
}

/** Where the answer to a call sends a person. */
export async function loginAddress(drawbridge: Drawbridge, headers: Record<string, string> = {}): Promise<URL> {
  const answer = await ask(drawbridge, headers);
  expect([answer.status, codeOf(answer)]).toEqual([403, 'LOGIN_REQUIRED']);
  const { hint } = (JSON.parse(answer.text) as { error: { data: { hint: string } } }).error.data;
  return new URL(/https?:\S+/.exec(hint)?.[0] ?? '');
}

/** The person opens it, and the browser comes back. */
export async function logIn(address: URL, user: string): Promise<void> {
  const redirect = address.searchParams.get('redirect_uri') ?? '';
  const said = await new Browser(user).visit(address, redirect);
  expect((await request(`${redirect}?${said}`)).status).toBe(200);
}
