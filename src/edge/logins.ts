import { createHash } from 'node:crypto';
import http from 'node:http';
import type { Clock, Login, LoginPurpose, Logins, Signals } from '../contracts.js';
import { CredentialError, errorCode } from '../core/errors.js';
import { pageOf, sendPage } from './loginPage.js';
import { loginPageAt } from './loginPaths.js';
import type { PendingLogins } from './pendingLogins.js';

export interface LoginsOptions {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly pending: PendingLogins;
  /** Of the redirect URI; it must be a name of this machine. */
  readonly host: string;
  /** No other one will do. */
  readonly port: number | undefined;
  readonly path: string;
  readonly waitMs: number;
  readonly present: boolean;
  /** Where browsers come back to by the gateway's own address, and no port is opened. */
  readonly publicCallback?: URL;
  /** Where the pages of our own are; undefined where there are none. */
  pages(): URL | undefined;
  /** Shows the address to a person. `quiet`: one that has seen it lately. */
  open(url: URL, quiet: boolean): void;
}

/** Where mcp-remote looks for a port, so that what people allowed for it serves on. */
const FIRST_PORT = 3335;
const PORTS = 45_816;

/**
 * Logins by a browser. It comes back to the gateway's public address where there is one, and to a port of this machine
 * (RFC 8252 section 7.3) where there is none, or where the operator named the port.
 */
export class BrowserLogins implements Logins {
  readonly waitMs: number;
  readonly present: boolean;
  readonly #options: LoginsOptions;
  readonly #taken = new Set<number>();
  /** By port. */
  readonly #places = new Map<string, Place>();

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.waitMs = options.waitMs;
    this.present = options.present;
  }

  /** A client renews what it was given wherever it was registered for; a login may need another, which `begin` says. */
  redirectUri(seed: string, wanted?: string): URL {
    if (wanted !== undefined) return new URL(wanted);
    const { host, port, path, publicCallback } = this.#options;
    return publicCallback ?? new URL(`http://${host}:${port ?? this.#freePort(seed)}${path}`);
  }

  /** Whether a browser that is sent there reaches this process. */
  #serves({ href, protocol, hostname, pathname, port: given }: URL): boolean {
    const { host, port, path, publicCallback } = this.#options;
    if (publicCallback) return href === publicCallback.href;
    const fits = protocol === 'http:' && hostname === host && pathname === path && given !== '';
    return fits && (port === undefined || Number(given) === port);
  }

  async begin(authorization: URL, redirectUri: URL, state: string, purpose: LoginPurpose): Promise<Login | undefined> {
    if (!/^https?:$/.test(authorization.protocol)) {
      throw new CredentialError('the authorization server names no web page', 'Check its metadata.');
    }
    if (!this.#serves(redirectUri)) return undefined;
    const comesToUs = this.#options.publicCallback !== undefined;
    if (!comesToUs && !(await this.#listen(redirectUri))) return undefined;
    const { id, done, kept } = this.#expect(comesToUs ? undefined : redirectUri, () =>
      this.#options.pending.expect({ state, redirectUri, authorization, purpose }),
    );
    await kept;
    const base = this.#options.pages();
    const page = base && loginPageAt(base, id);
    const address = comesToUs && page ? page : authorization;
    this.#options.signals.emit('login.wanted', { server: authorization.origin });
    this.#options.open(address, purpose.quiet === true);
    return { done, address, ...(page && !comesToUs ? { paste: page } : {}) };
  }

  /** The port is free again when nobody is expected there. */
  #expect<Waiting extends { readonly done: Promise<unknown> }>(at: URL | undefined, begin: () => Waiting): Waiting {
    const place = at && this.#places.get(at.port);
    try {
      const waiting = begin();
      const over = () => place?.leave();
      waiting.done.then(over, over);
      return waiting;
    } catch (error) {
      place?.leave();
      throw error;
    }
  }

  /** False where that port is another's. */
  async #listen(redirectUri: URL): Promise<boolean> {
    const place = this.#placeOf(redirectUri);
    // Before it listens: a place that nobody is expected at closes.
    place.enter();
    try {
      await place.listening;
      return true;
    } catch (error) {
      if (this.#options.port !== undefined) throw portTaken(this.#options.port, error);
      this.#taken.add(Number(redirectUri.port));
      return false;
    }
  }

  /** Several people may come back to one port. */
  #placeOf(redirectUri: URL): Place {
    const known = this.#places.get(redirectUri.port);
    if (known) return known;
    const place = new Place(redirectUri, this.#options.pending, () => this.#places.delete(redirectUri.port));
    this.#places.set(redirectUri.port, place);
    return place;
  }

  /** The same for the same server, so that what was registered for it fits. */
  #freePort(seed: string): number {
    const first = FIRST_PORT + (createHash('sha256').update(seed).digest().readUInt16BE(0) % PORTS);
    let port = first;
    while (this.#taken.has(port)) port += 1;
    return port;
  }
}

/** One redirect URI, for as long as somebody may come back to it. */
class Place {
  /** Rejects where the port is another's. */
  readonly listening: Promise<void>;
  readonly #uri: URL;
  readonly #pending: PendingLogins;
  readonly #closed: () => void;
  readonly #servers: http.Server[] = [];
  #expected = 0;

  constructor(uri: URL, pending: PendingLogins, closed: () => void) {
    this.#uri = uri;
    this.#pending = pending;
    this.#closed = closed;
    this.listening = this.#listen();
  }

  enter(): void {
    this.#expected += 1;
  }

  leave(): void {
    this.#expected -= 1;
    if (this.#expected === 0) this.#close();
  }

  /** On both families, since nobody knows which one a browser takes for `localhost`. */
  async #listen(): Promise<void> {
    const port = Number(this.#uri.port);
    try {
      await this.#listenOn('127.0.0.1', port);
      await this.#listenOn('::1', port).catch((error) => {
        if (errorCode(error) === 'EADDRINUSE') throw error;
      });
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  #listenOn(host: string, port: number): Promise<void> {
    const server = http.createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => resolve());
    });
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { url = '' } = request;
    const said = URL.canParse(url, this.#uri.href) ? new URL(url, this.#uri) : undefined;
    if (!said || request.method !== 'GET' || said.pathname !== this.#uri.pathname) {
      return sendPage(response, pageOf('not-here'));
    }
    // Not a browser that was sent: one that was may still come.
    sendPage(response, pageOf(await this.#pending.arrive(said)));
  }

  /** The port is free again at once; answers under way are written to their end. */
  #close(): void {
    this.#closed();
    for (const server of this.#servers) server.close();
  }
}

function portTaken(port: number, error: unknown): CredentialError {
  return new CredentialError(
    `port ${port}, which the browser must come back to, can't be had (${errorCode(error)})`,
    'End what listens there, or name another port: --browser-auth-port.',
  );
}
