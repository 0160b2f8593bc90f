import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { CredentialDeps, CredentialSource, Kind } from '../../src/contracts.js';
import { CallerProof } from '../../src/core/callerProof.js';
import { OAuthMemory } from '../../src/credentials/oauthDocument.js';
import { TokenMemory } from '../../src/credentials/tokenMemory.js';
import { kinds } from '../../src/kinds.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { credentialSourceSuite, type SourceUnderTest } from '../../src/testing.js';
import { createSource, depsWith, FakeRest, jsonAnswer, tokenAnswer } from '../credentials/world.js';

type Name = keyof typeof kinds.credentials;

const CANARY = 'canary-8f2e';
const origins = ['https://mcp.example.com', 'http://127.0.0.1:8080'];
const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const CLIENT = { tokenUrl: 'https://idp.example.com/token', clientId: 'id', clientSecret: CANARY };

/** One row per kind of the registry: TypeScript asks for it, and so does the test below. */
const rows: Record<Name, () => Promise<SourceUnderTest>> = {
  'authorization-code': () => keptLogin('authorization-code', { authorizeUrl: 'https://idp.example.com/authorize' }),
  'device-code': () => keptLogin('device-code', { deviceUrl: 'https://idp.example.com/device' }),
  'refresh-token': () =>
    atProvider('refresh-token', '/nowhere', {
      tokenUrl: 'https://idp.example.com/token',
      clientId: 'id',
      clientSecret: CANARY,
      refreshToken: `${CANARY}-refresh`,
    }),
  'btp-destination': async () => {
    const baseDir = await fs.mkdtemp(path.join(os.tmpdir(), 'btp-destination-'));
    const key = { url: 'https://sub.authentication.example.com', clientid: 'id', clientsecret: CANARY };
    await fs.writeFile(path.join(baseDir, 'key.json'), JSON.stringify({ ...key, uri: 'https://service.example.com' }));
    const provider = new FakeRest();
    const given = { URL: origins[0], Authentication: 'BasicAuthentication', User: 'me', Password: CANARY };
    provider.answer = ({ url }) =>
      url.endsWith('/oauth/token') ? tokenAnswer('own') : jsonAnswer(200, { destinationConfiguration: given });
    const source = await load('btp-destination', { file: 'key.json', destination: 'CRM' }, baseDir, provider);
    const breakIt = () => {
      const authTokens = [{ type: '', value: '', error: `you sent ${CANARY}` }];
      provider.answer = () => jsonAnswer(200, { destinationConfiguration: given, authTokens });
    };
    return { source, secrets: [CANARY], breakIt, close: () => fs.rm(baseDir, { recursive: true }) };
  },
  'client-credentials': () => atProvider('client-credentials', '/nowhere', CLIENT),
  'mcp-oauth': async () => ({ source: await loggedIn(), secrets: [CANARY] }),
  qlik: () =>
    atProvider('qlik', '/nowhere', {
      tenant: 'https://acme.eu.qlikcloud.com',
      auth: 'impersonation',
      clientId: 'id',
      clientSecret: CANARY,
      scope: 'user_default',
      user: 'auth0|ada',
    }),
  'service-key': async () => {
    const baseDir = await fs.mkdtemp(path.join(os.tmpdir(), 'service-key-'));
    await fs.writeFile(
      path.join(baseDir, 'key.json'),
      JSON.stringify({ url: 'https://sub.authentication.example.com', clientid: 'id', clientsecret: CANARY }),
    );
    const made = await atProvider('service-key', baseDir, { file: 'key.json' });
    return { ...made, close: () => fs.rm(baseDir, { recursive: true }) };
  },
  'signed-jwt': async () => {
    const source = await load('signed-jwt', { issuer: 'us', subject: 'me', audience: 'them', privateKey }, '/nowhere');
    return { source, secrets: [privateKey] };
  },
  'token-exchange': () => forCaller('token-exchange', CLIENT),
  'jwt-bearer': () => forCaller('jwt-bearer', CLIENT),
  passthrough: async () => ({ source: await load('passthrough', {}, '/nowhere'), secrets: [] }),
  static: async () => ({ source: await load('static', { token: CANARY }, '/nowhere'), secrets: [CANARY] }),
};

/** A source whose person has logged in before. */
async function loggedIn(): Promise<CredentialSource> {
  const vault = new MemoryVault();
  const server = new URL('/mcp', origins[0]);
  const memory = new OAuthMemory(vault, null, 'test', server, ['', '', '']);
  const document = await memory.read();
  await memory.write({ ...document, tokens: { access_token: CANARY, token_type: 'bearer', obtainedAt: 0 } });
  const { default: kind } = await kinds.credentials['mcp-oauth']();
  return createSource(kind as Kind<CredentialSource, unknown, CredentialDeps>, { origins }, depsWith({ vault }));
}

/** The same, where the provider is written down; it refuses whatever it is asked, repeating the secret that it was shown. */
async function keptLogin(name: Name, options: object): Promise<SourceUnderTest> {
  const vault = new MemoryVault();
  const place = 'https://idp.example.com/token';
  const memory = new TokenMemory(vault, null, name, 'test', { place, words: ['id', undefined, undefined, undefined] });
  const tokens = { value: CANARY, obtainedAt: 0, refreshToken: `${CANARY}-refresh` };
  await memory.write(tokens);
  const provider = new FakeRest();
  provider.answer = ({ body }) =>
    jsonAnswer(401, { error: 'invalid_client', error_description: `you sent ${decodeURIComponent(body ?? '')}` });
  const { default: kind } = await kinds.credentials[name]();
  const given = { origins, tokenUrl: place, clientId: 'id', clientSecret: CANARY, ...options };
  const deps = depsWith({ vault, rest: provider.rest });
  const source = await createSource(kind as Kind<CredentialSource, unknown, CredentialDeps>, given, deps);
  return { source, secrets: [CANARY], breakIt: () => memory.write({ ...tokens, expiresAt: 1 }) };
}

/** A source whose provider can be told to refuse it, repeating the secret that it was shown. */
async function atProvider(name: Name, baseDir: string, options: object): Promise<SourceUnderTest> {
  const provider = new FakeRest();
  const breakIt = () => {
    provider.answer = ({ body }) =>
      jsonAnswer(401, { error: 'invalid_client', error_description: `you sent ${decodeURIComponent(body ?? '')}` });
  };
  return { source: await load(name, options, baseDir, provider), secrets: [CANARY], breakIt };
}

/** A source whose tokens are made from a caller's own one, which is as secret as the client's secret. */
async function forCaller(name: Name, options: object): Promise<SourceUnderTest> {
  const made = await atProvider(name, '/nowhere', options);
  const proof = new CallerProof(`${CANARY}-of-the-caller`, 'proof', undefined);
  const caller = { subject: 'corp:ada', roles: [], claims: { sub: 'ada' }, proof };
  return { ...made, secrets: [...made.secrets, proof.reveal()], caller };
}

async function load(
  name: Name,
  options: object,
  baseDir: string,
  { rest } = new FakeRest(),
): Promise<CredentialSource> {
  const { default: kind } = await kinds.credentials[name]();
  return createSource(kind as Kind<CredentialSource>, { origins, ...options }, depsWith({ rest, baseDir }));
}

describe('the registry of credentials', () => {
  it('has every kind in this suite', () => {
    expect(Object.keys(rows).sort()).toEqual(Object.keys(kinds.credentials).sort());
  });
});

for (const [name, create] of Object.entries(rows)) credentialSourceSuite({ describe, it }, { name, create });
