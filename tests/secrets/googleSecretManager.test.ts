import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jwtVerify } from 'jose';
import kind from '../../src/secrets/googleSecretManager.js';
import { type Asked, type FakeManager, type Said, startManager } from '../helpers/fakeManagers.js';
import { createWorld, failure, SIGNAL, type World } from './world.js';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Google's token endpoint, metadata server and Secret Manager in one, each as documented. */
function google({ path: at, headers, body }: Asked): Said {
  if (at === '/token') {
    const said = new URLSearchParams(body);
    const asks = said.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' && said.get('assertion');
    return asks
      ? { status: 200, body: { access_token: 'token', expires_in: 3599 } }
      : { status: 400, body: { error: 'invalid_grant' } };
  }
  if (at === '/computeMetadata/v1/instance/service-accounts/default/token')
    return headers['metadata-flavor'] === 'Google'
      ? { status: 200, body: { access_token: 'token', expires_in: 3599 } }
      : { status: 403 };
  const error = (code: number, status: string): Said => ({
    status: code,
    body: { error: { code, status, message: 'no' } },
  });
  if (headers.authorization !== 'Bearer token') return error(401, 'UNAUTHENTICATED');
  if (/^\/v1\/projects\/p\/(?:locations\/eu\/)?secrets\/jobs\/versions\/(?:latest|3):access$/.test(at))
    return { status: 200, body: { name: at, payload: { data: Buffer.from('{"key":"ö"}').toString('base64') } } };
  return at.includes('/theirs/') ? error(403, 'PERMISSION_DENIED') : error(404, 'NOT_FOUND');
}

describe('Google Secret Manager', () => {
  let world: World;
  let fake: FakeManager;

  beforeEach(async () => {
    world = createWorld();
    fake = await startManager(google);
  });
  afterEach(() => fake.close());

  const accountKey = () =>
    JSON.stringify({
      type: 'service_account',
      client_email: 'me@p.iam.gserviceaccount.com',
      private_key_id: 'kid',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: `${fake.url}/token`,
    });
  const onGoogle = () => ({ GCE_METADATA_HOST: new URL(fake.url).host });
  const create = (env: Record<string, string>, options: object = {}) =>
    world.create(kind, { endpoint: fake.url, ...options }, env);

  it('shows a secret to a service account, which proves itself by its key', async () => {
    const manager = await create({}, { key: accountKey() });
    expect(await manager.read('projects/p/secrets/jobs', SIGNAL)).toEqual({ value: '{"key":"ö"}' });
    const assertion = new URLSearchParams(fake.asked[0]?.body).get('assertion') ?? '';
    const { payload, protectedHeader } = await jwtVerify(assertion, publicKey, {
      currentDate: new Date(world.clock.now()),
    });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'kid' });
    const iat = Math.floor(world.clock.now() / 1000);
    expect(payload).toEqual({
      iss: 'me@p.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: `${fake.url}/token`,
      iat,
      exp: iat + 3600,
    });
  });

  it('shows one by the key that the environment names, and by the metadata server', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'google-'));
    const file = path.join(folder, 'key.json');
    await writeFile(file, accountKey());
    const byFile = await create({ GOOGLE_APPLICATION_CREDENTIALS: file });
    expect((await byFile.read('projects/p/secrets/jobs', SIGNAL)).value).toBe('{"key":"ö"}');
    await writeFile(file, '{"type":"external_account"}');
    const other = await create({ GOOGLE_APPLICATION_CREDENTIALS: file });
    expect((await failure(other.read('projects/p/secrets/jobs', SIGNAL)))[0]).toMatch(/is no service account key$/);
    await rm(folder, { recursive: true });
    const byMetadata = await create(onGoogle());
    expect((await byMetadata.read('projects/p/secrets/jobs', SIGNAL)).value).toBe('{"key":"ö"}');
  });

  it.each([
    'jobs',
    'jobs/versions/3',
    'projects/p/secrets/jobs',
    'projects/p/locations/eu/secrets/jobs/versions/latest',
  ])('knows it as %s', async (name) => {
    const manager = await create(onGoogle(), { project: 'p' });
    expect((await manager.read(name, SIGNAL)).value).toBe('{"key":"ö"}');
  });

  it('says what mends it', async () => {
    const manager = await create(onGoogle());
    expect((await failure(manager.read('projects/p/secrets/nope', SIGNAL)))[0]).toBe(
      'Google Secret Manager has no secret "projects/p/secrets/nope"',
    );
    expect((await failure(manager.read('projects/p/secrets/theirs', SIGNAL)))[0]).toBe(
      'Google Secret Manager refused to show "projects/p/secrets/theirs" (403, PERMISSION_DENIED)',
    );
    expect((await failure(manager.read('jobs', SIGNAL)))[0]).toBe('"jobs" is no name of a secret at Google');
    expect((await failure(manager.read('projects/p/secrets/../x', SIGNAL)))[0]).toMatch(/is no name of a secret/);
  });

  it('takes nothing but a whole key', () => {
    const bad = [
      '',
      '{}',
      accountKey().replace('service_account', 'x'),
      accountKey().replace('http://127.0.0.1', 'http://e.x'),
    ];
    expect(bad.map((key) => kind.options.safeParse({ key }).success)).toEqual([false, false, false, false]);
  });
});
