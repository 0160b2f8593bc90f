import { createHash, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Callback, Clock, Login, Logins, Signals } from '../contracts.js';
import { CredentialError, errorCode } from '../core/errors.js';
import { loginPage } from './loginPage.js';

export interface LoginsOptions {
  readonly clock: Clock;
  readonly signals: Signals;
  /** Of the redirect URI; it must be a name of this machine. */
  readonly host: string;
  /** No other one will do. */
  readonly port: number | undefined;
  readonly path: string;
  readonly waitMs: number;
  /** Shows the address to a person. */
  open(url: URL): void;
}

/** Where mcp-remote looks for a port, so that what people allowed for it serves on. */
const FIRST_PORT = 3335;
const PORTS = 45_816;
/** So long a person may take. Milliseconds. */
const PERSON_MS = 5 * 60_000;

/** Logins by a browser that comes back to this machine (RFC 8252 section 7.3). */
export class BrowserLogins implements Logins {
  readonly waitMs: number;
  readonly #options: LoginsOptions;
  readonly #taken = new Set<number>();
  /** By port. */
  readonly #places = new Map<string, Place>();

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.waitMs = options.waitMs;
  }

  redirectUri(seed: string, wanted?: string): URL {
    const { host, port, path } = this.#options;
    const known = wanted === undefined ? undefined : new URL(wanted);
    const fits = known?.hostname === host && known.pathname === path;
    if (known && fits && (port === undefined || Number(known.port) === port)) return known;
    return new URL(`http://${host}:${port ?? this.#freePort(seed)}${path}`);
  }

  async begin(authorization: URL, redirectUri: URL, state: string): Promise<Login | undefined> {
    if (!/^https?:$/.test(authorization.protocol)) {
      throw new CredentialError('the authorization server names no web page', 'Check its metadata.');
    }
    const place = this.#placeOf(redirectUri);
    // Before it listens: a place that nobody is expected at closes.
    const done = place.expect(state);
    try {
      await place.listening;
    } catch (error) {
      if (this.#options.port !== undefined) throw portTaken(this.#options.port, error);
      this.#taken.add(Number(redirectUri.port));
      return undefined;
    }
    this.#options.signals.emit('login.wanted', { server: authorization.origin });
    this.#options.open(authorization);
    return { done };
  }

  /** Several people may come back to one port. */
  #placeOf(redirectUri: URL): Place {
    const known = this.#places.get(redirectUri.port);
    if (known) return known;
    const place = new Place(redirectUri, this.#options.clock, () => this.#places.delete(redirectUri.port));
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

/** Whom a browser comes back for. */
interface Expected {
  readonly state: Buffer;
  readonly late: AbortController;
  resolve(callback: Callback): void;
  reject(error: Error): void;
}

/** Who may log in at one time; each may take as long as a person does. */
const MOST_EXPECTED = 1000;

/** One redirect URI, for as long as somebody may come back to it. */
class Place {
  /** Rejects where the port is another's. */
  readonly listening: Promise<void>;
  readonly #uri: URL;
  readonly #clock: Clock;
  readonly #closed: () => void;
  readonly #servers: http.Server[] = [];
  readonly #expected = new Set<Expected>();

  constructor(uri: URL, clock: Clock, closed: () => void) {
    this.#uri = uri;
    this.#clock = clock;
    this.#closed = closed;
    this.listening = this.#listen();
  }

  expect(state: string): Promise<Callback> {
    if (this.#expected.size >= MOST_EXPECTED) {
      throw new CredentialError('too many people are logging in', 'Repeat the call in a few minutes.');
    }
    const done = new Promise<Callback>((resolve, reject) => {
      const expected = { state: Buffer.from(state), late: new AbortController(), resolve, reject };
      this.#expected.add(expected);
      this.#clock.sleep(PERSON_MS, expected.late.signal).then(
        () => this.#end(expected, () => reject(new CredentialError('nobody logged in in time', 'Repeat the call.'))),
        () => {},
      );
    });
    done.catch(() => {});
    return done;
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

  #listenOn(host: string, port: number): Promise<AddressInfo> {
    const server = http.createServer((request, response) => this.#answer(request, response));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => resolve(server.address() as AddressInfo));
    });
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const said = new URL(request.url ?? '/', this.#uri);
    if (request.method !== 'GET' || said.pathname !== this.#uri.pathname) return loginPage(response, 404, 'not-here');
    const query = said.searchParams;
    const expected = this.#whose(Buffer.from(query.get('state') ?? ''));
    // Not a browser that was sent: one that was may still come.
    if (!expected) return loginPage(response, 400, 'not-yours');
    const code = query.get('code');
    const iss = query.get('iss');
    loginPage(response, code === null ? 400 : 200, code === null ? 'refused' : 'done');
    if (code === null) this.#end(expected, () => expected.reject(refused(query.get('error'))));
    else this.#end(expected, () => expected.resolve({ code, ...(iss === null ? {} : { iss }) }));
  }

  #whose(said: Buffer): Expected | undefined {
    return [...this.#expected].find(({ state }) => state.length === said.length && timingSafeEqual(state, said));
  }

  #end(expected: Expected, settle: () => void): void {
    if (!this.#expected.delete(expected)) return;
    expected.late.abort();
    settle();
    if (this.#expected.size === 0) this.#close();
  }

  /** The port is free again at once; answers under way are written to their end. */
  #close(): void {
    this.#closed();
    for (const { late } of this.#expected) late.abort();
    this.#expected.clear();
    for (const server of this.#servers) server.close();
  }
}

function refused(error: string | null): CredentialError {
  const word = /^[\w.-]{1,64}$/.test(error ?? '') ? `: ${error}` : '';
  return new CredentialError(`the login was refused${word}`, 'Log in again, with an account that may use this server.');
}

function portTaken(port: number, error: unknown): CredentialError {
  return new CredentialError(
    `port ${port}, which the browser must come back to, can't be had (${errorCode(error)})`,
    'End what listens there, or name another port: --browser-auth-port.',
  );
}
