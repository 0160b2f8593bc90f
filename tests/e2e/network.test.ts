import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { call, codeOf } from '../helpers/calls.js';
import { type Authority, type Certificate, createAuthority } from '../helpers/certificates.js';
import { type ConnectProxy, startConnectProxy } from '../helpers/connectProxy.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';

const NAME = 'tools.corp.example';
const IDP = 'idp.corp.example';
const LOGIN = 'me:canary-of-the-proxy';

/** A request as a server behind the proxy saw it. */
interface Seen {
  readonly host: string | undefined;
  readonly certificate: string | undefined;
  readonly authorization: string | undefined;
}

describe('in a corporate network', () => {
  let authority: Authority;
  let client: Certificate;
  let proxy: ConnectProxy;
  let server: https.Server;
  let folder: string;
  let drawbridge: Drawbridge | undefined;
  let seen: Seen[];

  beforeAll(async () => {
    authority = createAuthority('the company');
    client = authority.issue('drawbridge');
    const tls = { ...authority.issue(NAME, { names: [NAME, IDP] }), ca: authority.cert };
    server = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      const certificate = (request.socket as TLSSocket).getPeerX509Certificate()?.subject;
      const { host, authorization } = request.headers;
      seen.push({ host, certificate, authorization });
      response.writeHead(200, { 'content-type': 'application/json' });
      if (request.url === '/token')
        return void response.end(JSON.stringify({ access_token: 'from-behind', expires_in: 600 }));
      // The one call of these tests has this id.
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { reached: true } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    proxy = await startConnectProxy({ routes: { [`${NAME}:443`]: port, [`${IDP}:443`]: port }, login: LOGIN });
    folder = await mkdtemp(path.join(tmpdir(), 'network-'));
    await writeFile(path.join(folder, 'ca.pem'), authority.cert);
    await writeFile(path.join(folder, 'client.pem'), client.cert);
    await writeFile(path.join(folder, 'client.key'), client.key);
  });
  beforeEach(() => {
    seen = [];
    proxy.asked.length = 0;
  });
  afterEach(async () => {
    await drawbridge?.stop();
    drawbridge = undefined;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await Promise.all([proxy.close(), new Promise((resolve) => server.close(resolve))]);
    await rm(folder, { recursive: true, force: true });
  });

  const withLogin = () => proxy.url.replace('://', `://${LOGIN}@`);
  const file = (name: string) => path.join(folder, name);
  const url = `https://${NAME}/mcp`;
  const credentials = {
    jobs: {
      kind: 'client-credentials',
      tokenUrl: `https://${IDP}/token`,
      clientId: 'jobs',
      clientSecret: 'secret',
      origins: [`https://${NAME}`],
    },
  };

  async function pingBy(config: object, env: Record<string, string> = {}, headers: Record<string, string> = {}) {
    drawbridge = await startDrawbridge(config, { env, args: ['--log-level', 'debug'] });
    return call(`${drawbridge.url}/mcp/tools`, 'ping', {}, headers);
  }

  it('reaches server and provider through the proxy of the file, and shows the certificate to the server alone', async () => {
    const network = { proxy: withLogin(), ca: file('ca.pem') };
    const own = { certificate: file('client.pem'), certificateKey: file('client.key') };
    const destinations = { tools: { kind: 'http', url, credential: 'jobs', network: own } };
    const answer = await pingBy({ network, destinations, credentials });
    expect(answer.text).toContain('reached');
    expect(new Set(proxy.asked)).toEqual(new Set([`${IDP}:443`, `${NAME}:443`]));
    expect(seen).toEqual([
      { host: IDP, certificate: undefined, authorization: undefined },
      { host: NAME, certificate: 'CN=drawbridge', authorization: 'Bearer from-behind' },
    ]);
    expect(drawbridge?.stderr()).not.toContain('canary');
  });

  it.each(['HTTPS_PROXY', 'https_proxy'])(
    'takes the proxy of %s, and the authority of NODE_EXTRA_CA_CERTS',
    async (name) => {
      const destinations = { tools: { kind: 'http', url, credential: 'jobs' } };
      const env = { [name]: withLogin().replace('http://', ''), NODE_EXTRA_CA_CERTS: file('ca.pem') };
      const answer = await pingBy({ destinations, credentials }, env);
      expect(answer.text).toContain('reached');
      expect(proxy.asked).toHaveLength(2);
      expect(drawbridge?.stderr()).not.toContain('canary');
    },
  );

  it('keeps NODE_EXTRA_CA_CERTS beside authorities of the file', async () => {
    await writeFile(file('other.pem'), createAuthority().cert);
    const destinations = { tools: { kind: 'http', url, network: { ca: file('other.pem') } } };
    const env = { HTTPS_PROXY: withLogin(), NODE_EXTRA_CA_CERTS: file('ca.pem') };
    expect((await pingBy({ destinations }, env)).text).toContain('reached');
  });

  it('leaves the proxy out where NO_PROXY, or the destination, says so', async () => {
    const destinations = {
      tools: { kind: 'http', url },
      other: { kind: 'http', url: `https://${IDP}/mcp`, network: { proxy: '' } },
    };
    const answer = await pingBy({ destinations }, { HTTPS_PROXY: withLogin(), no_proxy: 'localhost,.corp.example' });
    expect(codeOf(answer)).toBe('UPSTREAM_UNREACHABLE');
    expect(codeOf(await call(`${drawbridge?.url}/mcp/other`, 'ping'))).toBe('UPSTREAM_UNREACHABLE');
    expect(proxy.asked).toEqual([]);
  });

  it.each(['https://10.0.0.8/', 'https://localhost.localdomain.invalid/', 'https://[::1]/'])(
    'reaches no %s through the proxy that a header asks for',
    async (target) => {
      const destinations = { tools: { kind: 'http', url, allowedUrls: [target], network: { proxyResolves: false } } };
      const answer = await pingBy({ destinations }, { HTTPS_PROXY: withLogin() }, { 'x-mcp-url': target });
      expect(['ADDRESS_NOT_ALLOWED', 'UPSTREAM_UNREACHABLE']).toContain(codeOf(answer));
      expect(proxy.asked).toEqual([]);
    },
  );

  it('takes up a renewed authority without a restart', async () => {
    await writeFile(file('renewed.pem'), createAuthority().cert);
    const network = { proxy: withLogin(), ca: file('renewed.pem') };
    const refused = await pingBy({ network, destinations: { tools: { kind: 'http', url } } });
    expect(codeOf(refused)).toBe('UPSTREAM_UNREACHABLE');
    await writeFile(file('renewed.pem'), authority.cert);
    await drawbridge?.record(({ signal }) => signal === 'config.reloaded', 15_000);
    expect((await call(`${drawbridge?.url}/mcp/tools`, 'ping')).text).toContain('reached');
  });

  it('tells what is wrong with it, and no password', async () => {
    const destinations = {
      one: { kind: 'http', url, credential: 'jobs' },
      other: { kind: 'http', url: `https://${NAME}/other`, credential: 'jobs', network: { proxy: '' } },
    };
    const network = { proxy: 'socks5://me:canary@proxy:1080', ca: 'missing.pem', certificate: client.cert };
    const run = await runDrawbridge({ network, destinations, credentials }, [], { HTTP_PROXY: 'ftp://a:canary@b/' });
    expect((await run.exited).code).toBe(2);
    const said = run.stderr();
    for (const part of ['network.proxy', 'network.ca', 'HTTP_PROXY', 'in different ways']) expect(said).toContain(part);
    expect(said).not.toContain('canary');
  });
});
