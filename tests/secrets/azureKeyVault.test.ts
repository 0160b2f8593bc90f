import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import kind from '../../src/secrets/azureKeyVault.js';
import { type Asked, type FakeManager, type Said, startManager } from '../helpers/fakeManagers.js';
import { createWorld, failure, SIGNAL, type World } from './world.js';

/** Entra ID, two kinds of managed identity and a vault in one, each as Microsoft documents it. */
function azure(state: { token: string }) {
  const token = (expires_in: unknown): Said => ({
    status: 200,
    body: { access_token: state.token, expires_in, token_type: 'Bearer' },
  });
  const entra = (body: string): Said => {
    const said = Object.fromEntries(new URLSearchParams(body));
    const bySecret = said.client_secret === 'shh';
    const byToken =
      said.client_assertion === 'pod.jwt' &&
      said.client_assertion_type === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
    const asks = said.grant_type === 'client_credentials' && said.scope === 'https://vault.azure.net/.default';
    return asks && said.client_id === 'client' && (bySecret || byToken)
      ? token(3599)
      : { status: 401, body: { error: 'invalid_client' } };
  };
  const identity = ({ query }: Asked, version: string, proves: boolean): Said =>
    proves && query.get('api-version') === version && query.get('resource') === 'https://vault.azure.net'
      ? token('86399')
      : { status: 400, body: { error: 'invalid_request' } };
  const vault = ({ path: at, query, headers }: Asked): Said => {
    const error = (status: number, code: string): Said => ({ status, body: { error: { code, message: 'no' } } });
    if (headers.authorization !== `Bearer ${state.token}`) return error(401, 'Unauthorized');
    if (query.get('api-version') !== '7.4') return error(400, 'BadParameter');
    if (at === '/secrets/jobs' || at === '/secrets/jobs/v1') return { status: 200, body: { value: 'one', id: 'x' } };
    return at === '/secrets/theirs' ? error(403, 'Forbidden') : error(404, 'SecretNotFound');
  };
  return (asked: Asked): Said => {
    if (asked.path === '/tenant/oauth2/v2.0/token') return entra(asked.body);
    if (asked.path === '/metadata/identity/oauth2/token')
      return identity(asked, '2018-02-01', asked.headers.metadata === 'true');
    if (asked.path === '/msi') return identity(asked, '2019-08-01', asked.headers['x-identity-header'] === 'header');
    return vault(asked);
  };
}

describe('Azure Key Vault', () => {
  let world: World;
  let fake: FakeManager;
  let folder: string;
  const state = { token: 'token-1' };

  beforeEach(async () => {
    world = createWorld();
    fake = await startManager(azure(state));
    folder = await mkdtemp(path.join(tmpdir(), 'azure-'));
    await writeFile(path.join(folder, 'token'), 'pod.jwt');
  });
  afterEach(async () => {
    await fake.close();
    await rm(folder, { recursive: true });
  });

  const create = (env: Record<string, string>, options: object = {}) =>
    world.create(kind, { url: fake.url, ...options }, env);
  const client = () => ({ tenantId: 'tenant', clientId: 'client', authority: fake.url });

  const WAYS: [string, () => Record<string, string>, () => object][] = [
    ['a client secret', () => ({}), () => ({ ...client(), clientSecret: 'shh' })],
    [
      'the environment',
      () => ({
        AZURE_TENANT_ID: 'tenant',
        AZURE_CLIENT_ID: 'client',
        AZURE_CLIENT_SECRET: 'shh',
        AZURE_AUTHORITY_HOST: `${fake.url}/`,
      }),
      () => ({}),
    ],
    ['workload identity', () => ({ AZURE_FEDERATED_TOKEN_FILE: path.join(folder, 'token') }), client],
    ['a managed identity', () => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.url }), () => ({})],
    ['App Service', () => ({ IDENTITY_ENDPOINT: `${fake.url}/msi`, IDENTITY_HEADER: 'header' }), () => ({})],
  ];

  it.each(WAYS)('shows a secret by %s', async (_, env, options) => {
    const manager = await create(env(), options());
    expect(await manager.read('jobs', SIGNAL)).toEqual({ value: 'one' });
    expect(await manager.read('jobs/v1', SIGNAL)).toEqual({ value: 'one' });
    expect(fake.asked.filter(({ path: at }) => !at.startsWith('/secrets/'))).toHaveLength(1);
  });

  it('is asked once more with a fresh token where the first one is no longer taken', async () => {
    const manager = await create({ AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.url });
    await manager.read('jobs', SIGNAL);
    state.token = 'token-2';
    expect((await manager.read('jobs', SIGNAL)).value).toBe('one');
  });

  it('says what mends it', async () => {
    const manager = await create({ AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.url });
    expect((await failure(manager.read('nope', SIGNAL)))[0]).toBe('Azure Key Vault has no secret "nope"');
    const [message, mend] = await failure(manager.read('theirs', SIGNAL));
    expect(message).toBe('Azure Key Vault refused to show "theirs" (403, Forbidden)');
    expect(mend).toMatch(/Key Vault Secrets User/);
    const wrong = await create({}, { ...client(), clientSecret: 'wrong' });
    expect((await failure(wrong.read('jobs', SIGNAL)))[0]).toBe('Entra ID gave no token (401, invalid_client)');
    const nobody = await create({}, { clientSecret: 'shh' });
    expect((await failure(nobody.read('jobs', SIGNAL)))[0]).toBe('the tenant or the client is not known');
  });
});
