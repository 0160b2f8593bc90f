import { isIP, type LookupFunction, connect as netConnect, type Socket } from 'node:net';
import tls from 'node:tls';
import type { RestRequest } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import type { Network, Trust } from './network.js';
import type { ForwardProxy } from './networkSchema.js';
import { publicLookup } from './publicAddress.js';

/** Bytes of a proxy's answer. */
const MOST_HEAD_BYTES = 16 * 1024;

export interface Reaching {
  /** For each of TCP, tunnel and TLS. Milliseconds. */
  readonly timeoutMs: number;
  /** Refuses every address that isn't public, whatever name it hides behind, and behind a proxy, too. */
  readonly publicOnly?: boolean;
  /** A certificate to show, and authorities to trust, instead of the network's own. */
  readonly shown?: NonNullable<RestRequest['tls']>;
  readonly signal?: AbortSignal;
}

/** An open connection to the server of a URL, directly or through its proxy, TLS included where the URL says https. */
export async function reach(url: URL, network: Network, how: Reaching): Promise<Socket> {
  const proxy = network.proxyFor(url);
  const socket = proxy ? await throughProxy(url, proxy, network, how) : await openTcp(url, how, lookupFor(how));
  if (url.protocol !== 'https:') return socket;
  const trust = how.shown ? { secureContext: network.context(how.shown) } : network.trust(url.origin);
  return secure(socket, url, trust, how);
}

/** TCP to the host of a URL. */
export function openTcp(url: URL, how: Reaching, lookup?: LookupFunction): Promise<Socket> {
  const socket = netConnect({
    host: hostOf(url),
    port: portOf(url),
    keepAlive: true,
    noDelay: true,
    ...(lookup ? { lookup } : {}),
  });
  return settled(socket, 'connect', how);
}

/** A TLS handshake on an open connection; the certificate is checked against the host of the URL. */
export function secure(socket: Socket, url: URL, trust: Trust, how: Reaching): Promise<tls.TLSSocket> {
  const host = hostOf(url);
  const servername = isIP(host) === 0 ? host : '';
  return settled(
    tls.connect({ socket, host, servername, ALPNProtocols: ['http/1.1'], ...trust }),
    'secureConnect',
    how,
  );
}

/** A connection to a proxy, its own TLS included; nothing of the server's is shown to it. */
export async function reachProxy({ url }: ForwardProxy, network: Network, how: Reaching): Promise<Socket> {
  try {
    const socket = await openTcp(url, how);
    return url.protocol === 'https:' ? await secure(socket, url, network.trust(''), how) : socket;
  } catch (cause) {
    throw proxyFailed(`the proxy ${url.origin} can't be reached (${errorCode(cause) ?? 'no code'})`, cause);
  }
}

/** A tunnel to `authority` (RFC 9110 section 9.3.6), on a connection to the proxy. */
export async function tunnel(socket: Socket, proxy: ForwardProxy, authority: string, how: Reaching): Promise<Socket> {
  const { authorization, url } = proxy;
  const shown = authorization ? `Proxy-Authorization: ${authorization.reveal()}\r\n` : '';
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${shown}\r\n`);
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(await readHead(socket, url, how)) ?? [];
  if (status?.startsWith('2')) return socket;
  socket.destroy();
  const said = status === undefined ? 'speaks no HTTP' : `refused the way to ${authority} (${status})`;
  throw proxyFailed(`the proxy ${url.origin} ${said}`, undefined, HINTS[status ?? '']);
}

const HINTS: Readonly<Record<string, string>> = {
  '407': "Write user and password into the proxy's URL: http://user:password@proxy.example.com:8080.",
  '403': 'Have the proxy allow this host and port, or name the host in noProxy.',
};

async function throughProxy(url: URL, proxy: ForwardProxy, network: Network, how: Reaching): Promise<Socket> {
  const host = how.publicOnly ? await publicName(url, network) : hostOf(url);
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${portOf(url)}`;
  return tunnel(await reachProxy(proxy, network, how), proxy, authority, how);
}

/**
 * The proxy is given the very address that was judged, so that it can't be told another one for the name (DNS rebinding).
 * A name that only the proxy can resolve is refused, unless the operator left it to the proxy to judge.
 */
function publicName(url: URL, network: Network): Promise<string> {
  const host = hostOf(url);
  return new Promise((resolve, reject) => {
    publicLookup(host, { all: false }, (error, address) => {
      if (!error) resolve(String(address));
      else if (network.proxyResolves && UNKNOWN.has(errorCode(error) ?? '')) resolve(host);
      else reject(error);
    });
  });
}

const UNKNOWN: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN']);

function lookupFor({ publicOnly }: Reaching): LookupFunction | undefined {
  return publicOnly ? publicLookup : undefined;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

function settled<Kind extends Socket>(socket: Kind, event: string, { timeoutMs, signal }: Reaching): Promise<Kind> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(timedOut()), timeoutMs);
    const left = () => socket.destroy(new Error('given up'));
    const end = () => {
      clearTimeout(late);
      signal?.removeEventListener('abort', left);
      socket.removeListener('error', failed);
      socket.removeListener('close', closed);
    };
    const failed = (error: Error) => {
      end();
      // What comes after the first failure is no news.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const closed = () => failed(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    signal?.addEventListener('abort', left, { once: true });
    socket.once('error', failed);
    socket.once('close', closed);
    socket.once(event, () => {
      end();
      resolve(socket);
    });
  });
}

/** By `readable`, since a socket that once flowed would lose what comes before its next reader. */
function readHead(socket: Socket, url: URL, { timeoutMs, signal }: Reaching): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = '';
    const end = (settle: () => void) => {
      clearTimeout(late);
      signal?.removeEventListener('abort', fail);
      for (const event of ['end', 'close', 'error']) socket.removeListener(event, fail);
      socket.removeListener('readable', read);
      settle();
    };
    const fail = () =>
      end(() => {
        socket.on('error', () => {});
        socket.destroy();
        reject(proxyFailed(`the proxy ${url.origin} gave no answer`));
      });
    const read = () => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read()) head += chunk.toString('latin1');
      const size = head.indexOf('\r\n\r\n');
      // A server that is asked nothing yet says nothing: what stands behind the head is somebody else's word.
      if (size === head.length - 4 && size > 0) end(() => resolve(head));
      else if (size > 0 && !head.startsWith('HTTP/1.1 2')) end(() => resolve(head));
      else if (size > 0 || head.length > MOST_HEAD_BYTES) fail();
    };
    const late = setTimeout(fail, timeoutMs);
    signal?.addEventListener('abort', fail, { once: true });
    for (const event of ['end', 'close', 'error']) socket.once(event, fail);
    socket.on('readable', read);
  });
}

function timedOut(): Error {
  return Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' });
}

function proxyFailed(message: string, cause?: unknown, hint?: string): GatewayError {
  return new GatewayError('UPSTREAM_UNREACHABLE', message, {
    cause,
    neverSent: true,
    hint: hint ?? 'Check network.proxy, HTTPS_PROXY and NO_PROXY, and that the proxy runs.',
  });
}
