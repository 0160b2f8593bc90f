import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import kind from '../../src/secrets/hashicorpVault.js';
import { type FakeVault, startVault } from '../helpers/fakeManagers.js';
import { createWorld, failure, SIGNAL, type World } from './world.js';

const APP_ROLE = { roleId: 'role', secretId: 'secret-id' };

describe('a Vault', () => {
  let world: World;
  let vault: FakeVault;

  beforeEach(async () => {
    world = createWorld();
    vault = await startVault();
    vault.secrets.set('secret/team/jobs', { key: 'v2', port: 5432 });
    vault.secrets.set('old/jobs', { key: 'v1' });
  });
  afterEach(() => vault.close());

  const create = (options: object) => world.create(kind, { url: vault.url, ...options });
  const paths = () => vault.asked.map(({ method, path: at }) => `${method} ${at}`);

  it('shows the fields of a secret of version 2, and of version 1', async () => {
    const second = await create({ token: 'root' });
    expect(await second.read('team/jobs', SIGNAL)).toEqual({ value: { key: 'v2', port: 5432 }, leaseMs: Infinity });
    const first = await create({ token: 'root', mount: 'old', version: '1' });
    expect(await first.read('jobs', SIGNAL)).toEqual({ value: { key: 'v1' }, leaseMs: 2_764_800_000 });
  });

  it('lets an AppRole and a Kubernetes service account log in', async () => {
    const byRole = await create({ appRole: APP_ROLE });
    await byRole.read('team/jobs', SIGNAL);
    await byRole.read('team/jobs', SIGNAL);
    expect(paths()).toEqual([
      'POST /v1/auth/approle/login',
      'GET /v1/secret/data/team/jobs',
      'GET /v1/secret/data/team/jobs',
    ]);
    const folder = await mkdtemp(path.join(tmpdir(), 'vault-'));
    await writeFile(path.join(folder, 'token'), 'pod.jwt\n');
    const byPod = await create({ kubernetes: { role: 'bridge', tokenFile: path.join(folder, 'token') } });
    expect((await byPod.read('team/jobs', SIGNAL)).value).toEqual({ key: 'v2', port: 5432 });
    await rm(folder, { recursive: true });
    const elsewhere = await create({ kubernetes: { role: 'bridge', tokenFile: path.join(folder, 'token') } });
    expect((await failure(elsewhere.read('x', SIGNAL)))[0]).toMatch(/token can't be read \(ENOENT\)$/);
  });

  it('is asked in its namespace, below a path of its own', async () => {
    const other = await startVault({ namespace: 'admin/team' });
    other.secrets.set('secret/x', { key: 'n' });
    const manager = await world.create(kind, { url: other.url, token: 'root', namespace: 'admin/team' });
    expect((await manager.read('x', SIGNAL)).value).toEqual({ key: 'n' });
    await other.close();
  });

  it('renews a token at two thirds of its life, by itself', async () => {
    const manager = await create({ appRole: APP_ROLE });
    expect((await manager.read('team/jobs', SIGNAL)).leaseMs).toBe(2_400_000);
    await world.clock.advance(2_400_000);
    await manager.read('team/jobs', SIGNAL);
    expect(paths().slice(2)).toEqual(['POST /v1/auth/token/renew-self', 'GET /v1/secret/data/team/jobs']);
  });

  it('renews a token that was written down', async () => {
    vault.tokens.set('periodic', { ttl: 60, renewable: true });
    const manager = await create({ token: 'periodic' });
    await manager.read('team/jobs', SIGNAL);
    await world.clock.advance(41_000);
    await manager.read('team/jobs', SIGNAL);
    expect(paths().filter((each) => each.includes('/auth/'))).toEqual([
      'GET /v1/auth/token/lookup-self',
      'POST /v1/auth/token/renew-self',
    ]);
  });

  it('is logged in at anew where the token can be renewed no longer, or was revoked', async () => {
    const manager = await create({ appRole: APP_ROLE });
    await manager.read('team/jobs', SIGNAL);
    vault.tokens.set('login-1', { ttl: 1200, renewable: true });
    await world.clock.advance(2_400_000);
    await manager.read('team/jobs', SIGNAL);
    expect(vault.asked.at(-1)?.headers['x-vault-token']).toBe('login-2');
    vault.tokens.delete('login-2');
    await manager.read('team/jobs', SIGNAL);
    expect(vault.asked.at(-1)?.headers['x-vault-token']).toBe('login-3');
  });

  it('that is down when a token wants to be renewed is asked by the old token', async () => {
    const manager = await create({ appRole: APP_ROLE });
    await manager.read('team/jobs', SIGNAL);
    await world.clock.advance(2_400_000);
    vault.fail(503);
    const [message, , passing] = await failure(manager.read('team/jobs', SIGNAL));
    expect([message, passing]).toEqual([`Vault at ${vault.url} answered with 503`, true]);
    vault.fail(undefined);
    await manager.read('team/jobs', SIGNAL);
    expect(paths().filter((each) => each.includes('login'))).toHaveLength(1);
  });

  it('says what mends it', async () => {
    const bad = await create({ appRole: { roleId: 'role', secretId: 'canary' } });
    const refused = await failure(bad.read('team/jobs', SIGNAL));
    expect(refused).toEqual([
      `Vault at ${vault.url} refused the login at auth/approle (400)`,
      'Check roleId and secretId: a secretId may have ended, or been used up.',
      false,
    ]);
    const unknown = await create({ token: 'nobody' });
    expect((await failure(unknown.read('team/jobs', SIGNAL)))[0]).toBe(
      `Vault at ${vault.url} refused to show "team/jobs" (403)`,
    );
    const manager = await create({ token: 'root' });
    expect((await failure(manager.read('nope', SIGNAL)))[0]).toBe(`Vault at ${vault.url} has no secret "nope"`);
    expect((await failure(manager.read('../../sys/mounts', SIGNAL)))[0]).toMatch(/is no path of a secret$/);
    vault.fail(307);
    expect((await failure(manager.read('x', SIGNAL)))[0]).toMatch(/answered with a redirect \(307\)$/);
    await vault.close();
    expect((await failure(manager.read('team/jobs', SIGNAL))).slice(1)).toEqual([
      'Is it running, and may this machine reach it?',
      true,
    ]);
  });

  it.each([
    [{ url: 'https://v' }, 'needs token, appRole or kubernetes'],
    [{ url: 'https://v', token: 't', appRole: APP_ROLE }, 'has token and appRole: keep one of them'],
  ])('has one way to log in (%j)', (options, message) => {
    expect(kind.options.safeParse(options).error?.issues.map((issue) => issue.message)).toEqual([message]);
  });
});
