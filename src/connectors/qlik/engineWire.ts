import { randomBytes } from 'node:crypto';
import type { HeaderLines } from '../../contracts.js';
import { isLoopbackHost } from '../../wire/loopback.js';
import type { EnigmaSession, Wired } from './engineConnection.js';
import type { EngineLimits, EngineOptions } from './engineOptions.js';
import { EngineSocket, socketOptions } from './engineSocket.js';

/** 128 bits that nobody guesses, fit for a path. */
export function unguessable(): string {
  return randomBytes(16).toString('base64url');
}

/** Makes sockets to one tenant, each with an engine session of its own. What only that needs is loaded with the first. */
export class EngineWire {
  readonly #base: URL;
  readonly #options: EngineOptions;
  readonly #limits: EngineLimits;
  /** What enigma made of the schema: it holds no session, and making it costs more than a socket. */
  #definition: unknown;

  /** Throws where a credential would leave in the clear. */
  constructor(options: EngineOptions, limits: EngineLimits) {
    const { protocol, hostname, origin } = options.url;
    if (protocol !== 'https:' && !(protocol === 'http:' && isLoopbackHost(hostname))) {
      throw new Error(`the engine of ${origin} is reached by https only`);
    }
    this.#base = new URL(origin.replace(/^http/, 'ws'));
    this.#options = options;
    this.#limits = limits;
  }

  /** `headers` goes to the tenant's own origin. The identity is new each time: nothing is ever attached to. */
  readonly wire = async (appId: string, headers: HeaderLines): Promise<Wired> => {
    const { enigma, schema, WebSocket } = await import('./engineEnigma.js');
    const url = new URL(`/app/${encodeURIComponent(appId)}/identity/${unguessable()}`, this.#base);
    // A session by cookies proves in the query that it isn't forged: a browser could not set a header.
    const csrf = headerOf(headers, CSRF);
    if (csrf !== undefined) url.searchParams.set(CSRF, csrf);
    const ws = new WebSocket(url, socketOptions(headers, this.#options.url, this.#limits, this.#options.reach));
    const socket = new EngineSocket(ws, this.#options.url.origin);
    this.#definition ??= definitionOf(enigma, schema);
    const session = create(enigma, {
      schema,
      url: url.href,
      createSocket: () => socket,
      definition: this.#definition,
    });
    return { socket, session };
  };
}

const CSRF = 'qlik-csrf-token';

function headerOf(headers: HeaderLines, name: string): string | undefined {
  const at = headers.findIndex((line, index) => index % 2 === 0 && line.toLowerCase() === name);
  return at === -1 ? undefined : headers[at + 1];
}

type Enigma = { create(config: never): unknown };

interface EnigmaConfig {
  readonly schema: object;
  readonly url: string;
  readonly createSocket?: () => EngineSocket;
  definition?: unknown;
}

/** Without deltas, which enigma keeps in a map of the whole process. */
function create(enigma: Enigma, config: EnigmaConfig): EnigmaSession {
  const whole = Object.assign(config, { protocol: { delta: false } });
  return enigma.create(whole as never) as EnigmaSession;
}

/** By a session that is never opened: what is kept of it must not hold anybody's socket. */
function definitionOf(enigma: Enigma, schema: object): unknown {
  const config: EnigmaConfig = { schema, url: '' };
  create(enigma, config);
  return config.definition;
}
