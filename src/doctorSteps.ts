import { once } from 'node:events';
import { isIP, type Socket } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from './contracts.js';
import { errorCode } from './core/errors.js';
import { type DoctorWalk, Failed, Skipped } from './doctorWalk.js';
import type { Network } from './wire/network.js';
import { openTcp, type Reaching, reachProxy, secure, tunnel } from './wire/reach.js';

export interface WayDeps {
  readonly walk: DoctorWalk;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** The way to a server, connection by connection as calls take it: name, proxy, TCP, TLS. */
export async function walkTheWay(url: URL, network: Network, deps: WayDeps): Promise<void> {
  const { walk } = deps;
  const how = { timeoutMs: deps.timeoutMs };
  const proxy = network.proxyFor(url);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  await walk.step(
    'dns',
    async () => (proxy ? new Skipped(`the proxy resolves ${url.hostname}`) : resolved(url)),
    (addresses) => addresses.join(', '),
  );
  let socket: Socket | undefined;
  await walk.step(
    'proxy',
    async () => {
      if (!proxy) return new Skipped('this server is reached directly');
      socket = await tunnel(await reachProxy(proxy, network, how), proxy, `${url.hostname}:${port}`, how);
      return proxy;
    },
    (through) => `${through.url.origin} opens the way to ${url.hostname}:${port}`,
  );
  await walk.step(
    'tcp',
    async () => {
      if (socket) return new Skipped('it goes through the tunnel');
      const opened = await openTcp(url, how).catch((error: unknown) => Promise.reject(unreachable(url, port, error)));
      socket = opened;
      return opened.remoteAddress;
    },
    (address) => `${address} answers on port ${port}`,
  );
  await walk.step(
    'tls',
    async () => {
      if (url.protocol !== 'https:') return new Skipped('plain http');
      return looked(await handshake(socket as Socket, url, network, how), url, deps.clock);
    },
    (found) => found,
  );
  socket?.destroy();
}

/** Of a certificate that isn't trusted, too: nothing is said on this connection. */
function handshake(socket: Socket, url: URL, network: Network, how: Reaching): Promise<TLSSocket> {
  const look = { ...network.trust(url.origin), rejectUnauthorized: false as const };
  return secure(socket, url, look, how).catch((error: unknown) => Promise.reject(noHandshake(url, error)));
}

async function resolved({ hostname }: URL): Promise<readonly string[] | Skipped> {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return new Skipped('the URL has an address');
  const { lookup } = await import('node:dns/promises');
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const mend =
      "Check the host in the destination's url; where only a proxy resolves names, set network.proxy or HTTPS_PROXY.";
    throw new Failed(`${host} can't be resolved (${errorCode(error)})`, mend);
  }
}

function unreachable({ hostname }: URL, port: string, error: unknown): Failed {
  const code = errorCode(error) ?? 'no code';
  const mend =
    code === 'ECONNREFUSED'
      ? "Check the port in the destination's url, and that its server runs."
      : 'Look for a firewall on the way; where a proxy is the only way out, set network.proxy or HTTPS_PROXY.';
  return new Failed(`${hostname}:${port} can't be reached (${code})`, mend);
}

function noHandshake({ host }: URL, error: unknown): Failed {
  const code = errorCode(error) ?? 'no code';
  if (/WRONG_VERSION|ECONNRESET|PACKET_LENGTH/.test(code))
    return new Failed(
      `${host} doesn't speak TLS (${code})`,
      'Check the port, and whether the url begins with http: rightly.',
    );
  return new Failed(`the TLS handshake with ${host} failed (${code})`, CLIENT_CERTIFICATE);
}

const CLIENT_CERTIFICATE =
  'Where the server asks for a client certificate, name it in network.certificate and network.certificateKey of the destination.';

/** So long a server may take to refuse a client without a certificate, which TLS 1.3 tells late. Milliseconds. */
const LATE_MS = 250;

async function looked(socket: TLSSocket, url: URL, clock: Clock): Promise<string> {
  const chain = chainOf(socket.getPeerCertificate(true));
  if (!socket.authorized) throw untrusted(String(socket.authorizationError), chain, url);
  await assertTaken(socket, url, clock);
  const [leaf] = chain;
  const issuers = chain.map(({ issuer }) => nameOf(issuer)).join(' < ');
  return `${socket.getProtocol()}, ${nameOf(leaf?.subject)} by ${issuers}, until ${leaf?.valid_to}`;
}

async function assertTaken(socket: TLSSocket, { host }: URL, clock: Clock): Promise<void> {
  const over = new AbortController();
  const late = clock.sleep(LATE_MS, over.signal).catch(() => {});
  socket.resume();
  try {
    await Promise.race([late, once(socket, 'close', { signal: over.signal })]);
  } catch (error) {
    const code = errorCode(error) ?? 'no code';
    throw new Failed(`${host} ended the connection after the handshake (${code})`, CLIENT_CERTIFICATE);
  } finally {
    over.abort();
  }
}

/** From the server's own to the last one that it sent, or that is known here. */
function chainOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (
    let each: DetailedPeerCertificate | undefined = leaf;
    each?.subject && !chain.includes(each) && chain.length < 10;
  ) {
    chain.push(each);
    each = each.issuerCertificate;
  }
  return chain;
}

function nameOf(name: DetailedPeerCertificate['subject'] | undefined): string {
  return String(name?.CN ?? name?.O ?? 'a name that is not given');
}

const NAME_THE_CA =
  'Where it is your company’s, name its certificate in network.ca, or in NODE_EXTRA_CA_CERTS; any other server should send its whole chain.';

function untrusted(code: string, chain: readonly DetailedPeerCertificate[], { hostname }: URL): Failed {
  const [leaf] = chain;
  const last = chain.at(-1);
  if (code === 'CERT_HAS_EXPIRED') {
    const ended = chain.find(({ valid_to: end }) => Date.parse(end) < Date.now()) ?? leaf;
    return new Failed(
      `the certificate of ${nameOf(ended?.subject)} expired on ${ended?.valid_to}`,
      "Have the server's certificate renewed; check the clock of this machine.",
    );
  }
  if (code === 'CERT_NOT_YET_VALID')
    return new Failed(`the certificate is valid from ${leaf?.valid_from} only`, 'Check the clock of this machine.');
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = leaf?.subjectaltname ?? nameOf(leaf?.subject);
    return new Failed(
      `the certificate is for ${names}, not for ${hostname}`,
      "Use a name in the destination's url that the certificate lists.",
    );
  }
  return new Failed(`nobody here trusts the authority ${nameOf(last?.issuer)} (${code})`, NAME_THE_CA);
}
