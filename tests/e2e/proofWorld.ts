import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { EXCHANGE_CLIENT, type ExchangeLike, startExchangeLike } from '../helpers/exchangeLike.js';
import { FakeSignals } from '../helpers/fakes.js';
import {
  type LegacyServer,
  listen,
  type ModernServer,
  startLegacyServer,
  startModernServer,
} from '../helpers/mcpServers.js';
import { ClientLogin, type LoginProvider, startLoginProvider } from '../helpers/oauthLogin.js';
import { startXsuaaLike, XSUAA_CLIENT, type XsuaaLike } from '../helpers/xsuaaLike.js';
import { freePort, legacyCaller } from './callersWorld.js';

/** Whom the callers' tokens are for. */
export const GATE = 'https://gate.example.com/';
/** What the exchange issues tokens for. */
export const SERVER = 'https://server.example.com/mcp';
/** What the server of `own` takes. */
export const OWN_TOKEN = 'a-token-of-the-servers-own';
const CHILD = path.resolve('tests/helpers/childServer.mjs');

type Listening = Awaited<ReturnType<typeof listen>>;

/** Callers who log in at a real provider, and servers that take only what is made of the callers' tokens. */
export interface ProofWorld {
  readonly provider: LoginProvider;
  readonly exchange: ExchangeLike;
  readonly xsuaa: XsuaaLike;
  readonly legacy: LegacyServer;
  readonly modern: ModernServer;
  /** Says whose the token is that it was shown. */
  readonly whose: Listening;
  readonly drawbridge: Drawbridge;
  /** An API key of a caller's without a token, and of an operator. */
  readonly key: string;
  readonly folder: string;
  urlOf(destination: string): string;
  /** A token of that person's, from a login of their own. */
  tokenOf(user: string): Promise<string>;
  close(): Promise<void>;
}

export async function startProofWorld(): Promise<ProofWorld> {
  const folder = await mkdtemp(path.join(tmpdir(), 'proof-'));
  const provider = await startLoginProvider();
  const trusts = { issuer: provider.url, jwksUri: `${provider.url}/jwks`, audience: GATE };
  const [exchange, xsuaa] = await Promise.all([
    startExchangeLike({ ...trusts, resource: SERVER }),
    startXsuaaLike({ trusts }),
  ]);
  const ownerOf = (token: string) => exchange.issued.get(token) ?? xsuaa.issued.get(token) ?? owned(token);
  const accepts = (token: string) => ownerOf(token) !== undefined;
  const [legacy, modern, whose] = await Promise.all([
    startLegacyServer(accepts),
    startModernServer(accepts),
    listen(accepts, (request, response) => {
      const text = ownerOf(String(request.headers.authorization).replace(/^Bearer /, ''));
      const headers = Object.keys(request.headers).filter((name) => name.startsWith('x-drawbridge'));
      const result = { content: [{ type: 'text', text }], headers };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    }),
  ]);
  const keyFile = path.join(folder, 'keys.json');
  const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
  const { key } = await ring.create({ name: 'robot', roles: ['ops'] });
  const serviceKey = { url: xsuaa.url, clientid: XSUAA_CLIENT.clientId, clientsecret: XSUAA_CLIENT.clientSecret };
  await writeFile(path.join(folder, 'abap.json'), JSON.stringify(serviceKey));
  const port = await freePort();
  const config = configuration({ port, keyFile, folder, provider, exchange, legacy, modern, whose });
  const drawbridge = await startDrawbridge(config, { args: ['--port', String(port), '--log-level', 'debug'] });
  const urlOf = (destination: string) => `${drawbridge.url}/mcp/${destination}`;
  return {
    ...{ provider, exchange, xsuaa, legacy, modern, whose, drawbridge, key, folder, urlOf },
    tokenOf: (user) => logIn(user, urlOf('whose')),
    close: async () => {
      await drawbridge.stop();
      await Promise.all([legacy, modern, whose, exchange, xsuaa, provider].map((each) => each.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function owned(token: string): string | undefined {
  return token === OWN_TOKEN ? 'itself' : undefined;
}

type Parts = Pick<ProofWorld, 'provider' | 'exchange' | 'legacy' | 'modern' | 'whose' | 'folder'>;

function configuration(parts: Parts & { readonly port: number; readonly keyFile: string }): object {
  const { port, keyFile, folder, provider, exchange, legacy, modern, whose } = parts;
  const { clientId, clientSecret } = EXCHANGE_CLIENT;
  const client = { tokenUrl: exchange.tokenUrl, clientId, clientSecret, authentication: 'basic' };
  const origins = [legacy.origin, modern.origin, whose.origin];
  const http = (url: string, credential: string) => ({ kind: 'http', url, credential });
  return {
    server: { publicUrl: `http://127.0.0.1:${port}`, keyFile },
    destinations: {
      whose: http(whose.url, 'exchanged'),
      legacy: http(legacy.url, 'exchanged'),
      modern: http(modern.url, 'exchanged'),
      abap: { kind: 'service-key', file: path.join(folder, 'abap.json'), grant: 'jwt-bearer', url: whose.url },
      jag: http(whose.url, 'jag'),
      own: http(whose.url, 'own'),
      child: { kind: 'stdio', command: process.execPath, args: [CHILD] },
    },
    credentials: {
      exchanged: { kind: 'token-exchange', ...client, resource: SERVER, origins },
      jag: {
        kind: 'jwt-bearer',
        ...client,
        identityProvider: { ...client, audience: exchange.url, resource: SERVER, subjectTokenType: 'access_token' },
        origins,
      },
      own: { kind: 'passthrough', origins },
    },
    identity: {
      keys: { kind: 'api-key' },
      people: { kind: 'jwt', issuer: provider.url, audience: GATE, clockSkewSeconds: 0, requiredScopes: ['mcp:read'] },
    },
    permissions: { roles: { all: { allow: ['*/*'] }, ops: { admin: ['admin/*'] } }, default: ['all'] },
    telemetry: { audit: { file: path.join(folder, 'audit.jsonl'), arguments: 'names' } },
  };
}

async function logIn(user: string, url: string): Promise<string> {
  const login = new ClientLogin(user, new URL(GATE));
  const caller = legacyCaller(new URL(url));
  await caller.connect(login).catch(() => {});
  await caller.finish(await login.logIn());
  await caller.close();
  return String(login.tokens()?.access_token);
}
