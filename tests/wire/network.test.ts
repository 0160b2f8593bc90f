import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fetch } from 'undici';
import { createDispatchers } from '../../src/wire/dispatchers.js';
import { Network, over } from '../../src/wire/network.js';
import { networkSchema } from '../../src/wire/networkSchema.js';
import { createRest } from '../../src/wire/rest.js';
import { safeFetch } from '../../src/wire/safeFetch.js';
import { type Authority, type Certificate, createAuthority } from '../helpers/certificates.js';
import { type ConnectProxy, type ConnectProxySettings, startConnectProxy } from '../helpers/connectProxy.js';

const NAME = 'tools.corp.example';
/** Nothing is sent there: the proxy of these tests has its own idea of where that is. */
const PUBLIC = '93.184.215.14';

describe('the way to other machines', () => {
  let authority: Authority;
  let client: Certificate;
  const closing: (() => unknown)[] = [];

  beforeAll(() => {
    authority = createAuthority('the company');
    client = authority.issue('drawbridge');
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  /** Https with that name, telling whose certificate it was shown. */
  async function serve(name = NAME): Promise<{ port: number; sockets: () => number }> {
    let sockets = 0;
    const tls = { ...authority.issue(name, { names: [name] }), ca: authority.cert };
    const server = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      const subject = (request.socket as TLSSocket).getPeerX509Certificate()?.subject ?? 'nobody';
      response.end(`${request.headers.host} ${subject}`);
    });
    server.on('connection', () => {
      sockets += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return { port: (server.address() as AddressInfo).port, sockets: () => sockets };
  }

  async function proxy(settings: ConnectProxySettings): Promise<ConnectProxy> {
    const started = await startConnectProxy(settings);
    closing.push(started.close);
    return started;
  }

  function network(options: object, origins: readonly string[] = []): Network {
    return new Network(networkSchema.parse(options), {}, origins);
  }

  function pools(of: Network) {
    const dispatchers = createDispatchers(2000, of);
    closing.push(() => dispatchers.close());
    return dispatchers;
  }

  async function viaPool(of: Network, url: string, which: 'open' | 'publicOnly' = 'open'): Promise<string> {
    const answer = await fetch(url, { dispatcher: pools(of)[which] });
    return answer.text();
  }

  async function viaRest(of: Network, url: string): Promise<string> {
    const rest = createRest({ network: of });
    closing.push(rest.close);
    return (await rest({ method: 'GET', url, signal: new AbortController().signal })).body;
  }

  async function viaSafeFetch(of: Network, url: string): Promise<string> {
    return (await safeFetch(new URL(url), pools(of))(url)).text();
  }

  const ways = { 'upstream calls': viaPool, 'token requests': viaRest, metadata: viaSafeFetch };

  describe.each(Object.entries(ways))('of %s', (_what, via) => {
    it('goes through a proxy that wants a login, and trusts an authority of one’s own', async () => {
      const { port } = await serve();
      const through = await proxy({ routes: { [`${NAME}:443`]: port }, login: 'me:p@ss' });
      const way = network({ proxy: `http://me:p%40ss@127.0.0.1:${through.port}`, ca: authority.cert });
      expect(await via(way, `https://${NAME}/`)).toBe(`${NAME} nobody`);
      expect(through.asked).toEqual([`${NAME}:443`]);
    });

    it('goes through a proxy that speaks https', async () => {
      const { port } = await serve();
      const through = await proxy({ routes: { [`${NAME}:443`]: port }, tls: authority.issue('proxy') });
      const way = network({ proxy: through.url, ca: [authority.cert] });
      expect(await via(way, `https://${NAME}/`)).toBe(`${NAME} nobody`);
    });

    it('shows a certificate to its own origins, and to no other one', async () => {
      const [one, other] = [await serve(), await serve('other.corp.example')];
      const through = await proxy({ routes: { [`${NAME}:443`]: one.port, 'other.corp.example:443': other.port } });
      const shown = { certificate: client.cert, certificateKey: client.key };
      const way = network({ proxy: through.url, ca: authority.cert, ...shown }, [`https://${NAME}`]);
      expect(await via(way, `https://${NAME}/`)).toBe(`${NAME} CN=drawbridge`);
      expect(await via(way, 'https://other.corp.example/')).toBe('other.corp.example nobody');
    });

    it('trusts nobody whom nobody named', async () => {
      const { port } = await serve();
      const through = await proxy({ routes: { [`${NAME}:443`]: port } });
      await expect(via(network({ proxy: through.url }), `https://${NAME}/`)).rejects.toThrow();
      expect(through.asked).toHaveLength(1);
    });

    it('reaches directly what noProxy names, and this machine always', async () => {
      const { port } = await serve('localhost');
      const through = await proxy({ routes: {} });
      const way = network({ proxy: through.url, ca: authority.cert });
      expect(await via(way, `https://localhost:${port}/`)).toBe(`localhost:${port} nobody`);
      expect(through.asked).toEqual([]);
    });
  });

  it('says what a proxy refused, and what mends it', async () => {
    const wantsLogin = await proxy({ routes: {}, login: 'me:pass' });
    const closed = await startConnectProxy({ routes: {} });
    await closed.close();
    const cases = [
      [wantsLogin.url, `the proxy ${wantsLogin.url} refused the way to ${NAME}:443 (407)`],
      [closed.url, `the proxy ${closed.url} can't be reached (ECONNREFUSED)`],
    ] as const;
    for (const [url, message] of cases) {
      const error = await viaPool(network({ proxy: url }), `https://${NAME}/`).catch((reason: Error) => reason.cause);
      expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', message, neverSent: true });
      await expect(viaRest(network({ proxy: url }), `https://${NAME}/`)).rejects.toThrow(message);
    }
  });

  it('gives up a proxy that is silent', async () => {
    const silent = await proxy({ routes: {} });
    const { port } = await serve();
    // It takes the connection for a TLS one, and waits.
    const dispatchers = createDispatchers(200, network({ proxy: `http://127.0.0.1:${port}` }));
    closing.push(() => dispatchers.close());
    await expect(fetch(`https://${NAME}/`, { dispatcher: dispatchers.open })).rejects.toThrow();
    expect(silent.asked).toEqual([]);
  });

  describe('with a URL that somebody else wrote', () => {
    it('hands the proxy the very address that was judged', async () => {
      const { port } = await serve(PUBLIC);
      const through = await proxy({ routes: { [`${PUBLIC}:443`]: port } });
      const way = network({ proxy: through.url });
      // The certificate names no address but 127.0.0.1: what counts is where it went.
      await expect(viaPool(way, `https://${PUBLIC}/`, 'publicOnly')).rejects.toThrow();
      expect(through.asked).toEqual([`${PUBLIC}:443`]);
    });

    it.each(['10.0.0.8', '169.254.169.254', '[fd00::1]', '[::ffff:10.0.0.1]'])(
      'asks no proxy for %s',
      async (address) => {
        const through = await proxy({ routes: {} });
        const way = network({ proxy: through.url, proxyResolves: true });
        const error = await viaPool(way, `https://${address}/`, 'publicOnly').catch((reason: Error) => reason.cause);
        expect(error).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
        expect(through.asked).toEqual([]);
      },
    );

    it('asks no proxy for a name that only the proxy knows, unless that was left to it', async () => {
      const { port } = await serve('only.invalid');
      const through = await proxy({ routes: { 'only.invalid:443': port } });
      const options = { proxy: through.url, ca: authority.cert };
      await expect(viaPool(network(options), 'https://only.invalid/', 'publicOnly')).rejects.toThrow();
      expect(through.asked).toEqual([]);
      const left = network({ ...options, proxyResolves: true });
      expect(await viaPool(left, 'https://only.invalid/', 'publicOnly')).toBe('only.invalid nobody');
    });

    it('refuses a name of this machine', async () => {
      const through = await proxy({ routes: {} });
      const way = network({ proxy: through.url, proxyResolves: true });
      const error = await viaPool(way, 'https://localhost/', 'publicOnly').catch((reason: Error) => reason.cause);
      expect(error).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
    });
  });

  it('uses a connection again, through a proxy as well', async () => {
    const { port, sockets } = await serve();
    const through = await proxy({ routes: { [`${NAME}:443`]: port } });
    const { open } = pools(network({ proxy: through.url, ca: authority.cert }));
    for (let i = 0; i < 6; i++) await (await fetch(`https://${NAME}/`, { dispatcher: open })).text();
    // One more where the first isn't free again at once.
    expect(through.asked.length).toBeLessThanOrEqual(2);
    expect(sockets()).toBe(through.asked.length);
  });

  describe('which proxy', () => {
    const direct = (noProxy: string[], url: string) =>
      network({ proxy: 'http://proxy:1', noProxy }).proxyFor(new URL(url)) === undefined;

    it.each([
      [['*'], 'https://any.example', true],
      [['corp.example'], 'https://corp.example', true],
      [['corp.example'], 'https://a.corp.example', true],
      [['.corp.example'], 'https://a.corp.example', true],
      [['*.corp.example'], 'https://a.b.corp.example', true],
      [['corp.example'], 'https://evilcorp.example', false],
      [['corp.example:8443'], 'https://corp.example', false],
      [['corp.example:443'], 'https://corp.example', true],
      [['CORP.example'], 'https://corp.EXAMPLE', true],
      [['10.0.0.0/8'], 'https://10.1.2.3', true],
      [['10.0.0.0/8'], 'https://11.1.2.3', false],
      [['fd00::/8'], 'https://[fd00::1]', true],
      [[], 'http://127.0.0.1:8080', true],
    ])('%j %s directly: %s', (noProxy, url, is) => {
      expect(direct(noProxy, url)).toBe(is);
    });

    it('is chosen by the scheme, and none where the destination says so', () => {
      const base = networkSchema.parse({ httpsProxy: 'http://secure:1', httpProxy: 'plain:2' });
      const of = (options: object, url: string) =>
        new Network(over(base, networkSchema.parse(options))).proxyFor(new URL(url))?.url.host;
      expect([of({}, 'https://a.example'), of({}, 'http://a.example')]).toEqual(['secure:1', 'plain:2']);
      expect(of({ proxy: 'http://own:3' }, 'https://a.example')).toBe('own:3');
      expect(of({ proxy: '' }, 'https://a.example')).toBeUndefined();
    });
  });

  it('is another one where a password or an authority is', () => {
    const keys = [
      {},
      { proxy: 'http://a:one@proxy:1' },
      { proxy: 'http://a:two@proxy:1' },
      { ca: authority.cert },
      { ca: createAuthority().cert },
    ].map((options) => network(options).key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(JSON.stringify(networkSchema.parse({ proxy: 'http://a:one@proxy:1' }))).not.toContain('one');
  });

  it.each([
    [{ proxy: 'socks5://proxy:1080' }, 'proxy'],
    [{ proxy: 'http://proxy/path' }, 'proxy'],
    [{ ca: 'nonsense' }, 'ca'],
    [{ ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'ca'],
    [{ certificate: createAuthority().cert }, 'certificateKey'],
    [{ certificate: createAuthority().cert, certificateKey: createAuthority().key }, 'certificateKey'],
  ])('refuses %j', (options, path) => {
    expect(networkSchema.safeParse(options).error?.issues[0]?.path[0]).toBe(path);
  });
});
