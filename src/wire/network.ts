import { createHash } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import tls from 'node:tls';
import { isLoopbackHost } from './loopback.js';
import type { ForwardProxy, NetworkOptions } from './networkSchema.js';

/** What the rest of TLS is made of, where nothing else is said. */
export interface Trust {
  readonly secureContext?: tls.SecureContext;
  /** False to have a look at a certificate that isn't trusted; nothing may be said on such a connection. */
  readonly rejectUnauthorized?: false;
}

/** What one process, and its environment, add to a network: read once. */
export interface NetworkBase {
  /** What `NODE_EXTRA_CA_CERTS` names, PEM: Node forgets it where other authorities are given. */
  readonly extraCa?: string;
}

/** The way to other machines: through which proxy, trusting whom, and showing what. */
export class Network {
  /** The same for networks that are the same in every respect. */
  readonly key: string;
  readonly proxyResolves: boolean;
  readonly #options: NetworkOptions;
  readonly #extraCa: string | undefined;
  readonly #direct: (host: string, port: string) => boolean;
  /** The only ones that the client certificate is shown to. */
  readonly #origins: ReadonlySet<string>;
  #plain: Trust | undefined;
  #known: Trust | undefined;

  constructor(options: NetworkOptions, { extraCa }: NetworkBase = {}, origins: readonly string[] = []) {
    const shownTo = options.certificate === undefined ? [] : [...new Set(origins)].sort();
    this.#options = options;
    this.#extraCa = extraCa;
    this.#origins = new Set(shownTo);
    this.#direct = directly(options.noProxy ?? []);
    this.proxyResolves = options.proxyResolves ?? false;
    this.key = digest(options, extraCa, shownTo);
  }

  /** True where nothing is configured, so that what the platform does by itself serves. */
  get isPlain(): boolean {
    const { proxy, httpsProxy, httpProxy, ca, certificate } = this.#options;
    return !proxy && !httpsProxy && !httpProxy && ca === undefined && certificate === undefined;
  }

  /** Undefined where the server is reached directly, as this machine always is. */
  proxyFor({ protocol, hostname, port }: URL): ForwardProxy | undefined {
    const { proxy, httpsProxy, httpProxy } = this.#options;
    const own = protocol === 'https:' ? httpsProxy : httpProxy;
    const chosen = own === undefined ? proxy : own;
    const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
    if (!chosen || isLoopbackHost(hostname)) return undefined;
    return this.#direct(host, port || (protocol === 'https:' ? '443' : '80')) ? undefined : chosen;
  }

  /** For a handshake with that origin. */
  trust(origin: string): Trust {
    if (this.#origins.has(origin)) {
      const { certificate, certificateKey } = this.#options;
      this.#known ??= { secureContext: this.context({ cert: certificate, key: certificateKey?.reveal() }) };
      return this.#known;
    }
    this.#plain ??= this.#options.ca === undefined ? {} : { secureContext: this.context({}) };
    return this.#plain;
  }

  /** The same with a certificate, or authorities, that somebody else brings. */
  context(shown: Pick<tls.SecureContextOptions, 'cert' | 'key' | 'ca'>): tls.SecureContext {
    const own = [this.#options.ca ?? []].flat();
    const ca = own.length === 0 ? {} : { ca: [...tls.rootCertificates, ...[this.#extraCa ?? []].flat(), ...own] };
    return tls.createSecureContext({ ...ca, ...shown });
  }
}

/** One destination's own network over that of the process: what it says stands, and authorities join. */
export function over(base: NetworkOptions, own: NetworkOptions): NetworkOptions {
  const { proxy, httpsProxy, httpProxy, ...rest } = base;
  const replaced = own.proxy === undefined ? { proxy, httpsProxy, httpProxy } : {};
  const ca = [base.ca ?? [], own.ca ?? []].flat();
  return { ...rest, ...replaced, ...own, ...(ca.length > 0 ? { ca } : {}) };
}

function digest(options: NetworkOptions, extraCa: string | undefined, origins: readonly string[]): string {
  const { proxy, httpsProxy, httpProxy, certificateKey, ...rest } = options;
  const proxies = [proxy, httpsProxy, httpProxy].map((each) => each && [each.url.href, each.authorization?.reveal()]);
  const said = [rest, proxies, certificateKey?.reveal(), extraCa, origins];
  return createHash('sha256').update(JSON.stringify(said)).digest('base64url');
}

/** True for the hosts that a list of names, addresses and networks covers, as curl and others read `NO_PROXY`. */
function directly(list: readonly string[]): (host: string, port: string) => boolean {
  const networks = new BlockList();
  const names = list.map((entry) => entry.trim().toLowerCase()).filter((entry) => !addNetwork(networks, entry));
  return (host, port) => {
    const family = isIP(host);
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    return names.some((entry) => covers(entry, host, port));
  };
}

function addNetwork(networks: BlockList, entry: string): boolean {
  const [address = '', bits] = entry.replace(/^\[|\]$/g, '').split('/');
  const family = isIP(address);
  const widest = family === 4 ? 32 : 128;
  if (family === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= widest))) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) networks.addAddress(address, type);
  else networks.addSubnet(address, Number(bits), type);
  return true;
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, written = '', wanted = port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  const name = written.replace(/^\*?\./, '');
  return wanted === port && (host === name || host.endsWith(`.${name}`));
}
