import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import kind from '../../src/secrets/kubernetesSecrets.js';
import { createAuthority } from '../helpers/certificates.js';
import { createWorld, failure, SIGNAL } from './world.js';

const authority = createAuthority();

/** The API server, as documented: https by the cluster's own authority, bearer tokens, one Secret that may be read. */
async function startApi() {
  const server = https.createServer(authority.issue('kubernetes'), (request, response) => {
    const answer = (status: number, body: object) => void response.writeHead(status).end(JSON.stringify(body));
    const failed = (code: number, reason: string) => answer(code, { kind: 'Status', status: 'Failure', reason, code });
    if (request.headers.authorization !== 'Bearer pod.jwt') return failed(401, 'Unauthorized');
    if (/\/secrets\/theirs$/.test(request.url ?? '')) return failed(403, 'Forbidden');
    if (!/^\/api\/v1\/namespaces\/(mcp|other)\/secrets\/jobs$/.test(request.url ?? '')) return failed(404, 'NotFound');
    const data = { key: Buffer.from('one').toString('base64'), 'tls.crt': Buffer.from('pem\n').toString('base64') };
    answer(200, { kind: 'Secret', apiVersion: 'v1', data, type: 'Opaque' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe("Kubernetes' Secrets", () => {
  let api: https.Server;
  let folder: string;
  const world = createWorld();

  beforeAll(async () => {
    api = await startApi();
    folder = await mkdtemp(path.join(tmpdir(), 'pod-'));
    const files = { token: 'pod.jwt', 'ca.crt': authority.cert, namespace: 'mcp' };
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(folder, name), text)));
  });
  afterAll(async () => {
    api.closeAllConnections();
    api.close();
    await rm(folder, { recursive: true });
  });

  const env = () => ({
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String((api.address() as AddressInfo).port),
  });
  const create = (options: object = {}) => world.create(kind, { folder, ...options }, env());

  it('are read by the service account of the pod, from its own namespace and from others', async () => {
    const manager = await create();
    expect(await manager.read('jobs', SIGNAL)).toEqual({ value: { key: 'one', 'tls.crt': 'pem\n' } });
    expect(await manager.read('other/jobs', SIGNAL)).toEqual({ value: { key: 'one', 'tls.crt': 'pem\n' } });
  });

  it('are trusted to the authority of the cluster only', async () => {
    const stranger = await mkdtemp(path.join(tmpdir(), 'pod-'));
    const files = { token: 'pod.jwt', 'ca.crt': createAuthority('other').cert, namespace: 'mcp' };
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(stranger, name), text)));
    const manager = await create({ folder: stranger });
    const [message, , passing] = await failure(manager.read('jobs', SIGNAL));
    expect(message).toMatch(/^the Kubernetes API: no secure connection/);
    expect(passing).toBe(false);
    await rm(stranger, { recursive: true });
  });

  it('say what mends it', async () => {
    const manager = await create();
    expect((await failure(manager.read('nope', SIGNAL)))[0]).toBe(
      'Kubernetes has no Secret "nope" in the namespace "mcp"',
    );
    expect((await failure(manager.read('theirs', SIGNAL)))[0]).toBe(
      'the Kubernetes API refused to show the Secret "theirs" in the namespace "mcp" (403)',
    );
    expect((await failure(manager.read('../x', SIGNAL)))[0]).toBe('"../x" is no name of a Secret');
    const outside = await create({ folder: '/nowhere' });
    expect((await failure(outside.read('jobs', SIGNAL)))[1]).toMatch(/in a pod with a service account/);
  });
});
