import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import type { AxiosInstance, AxiosRequestConfig, AxiosResponse } from 'axios';
import type { RestRequest, RestResponse } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import { RestError } from '../core/restError.js';
import { KeptAgents, wasClosedMeanwhile } from './keptAgents.js';
import type { Network } from './network.js';
import { reach } from './reach.js';

export interface RestSettings {
  /** For a whole call, body included. Milliseconds. */
  readonly deadlineMs?: number;
  /** Of an answer's body, decompressed. */
  readonly maxBytes?: number;
  /** Certificate authorities to trust instead of Node's own, PEM. */
  readonly ca?: string;
  /** Through which proxy, and with which authorities and certificate; absent: directly, with Node's own. */
  readonly network?: Network;
}

/** Control calls; `close` ends those that still run. */
export interface Rest {
  (request: RestRequest): Promise<RestResponse>;
  close(): void;
}

/**
 * The way to token endpoints, discovery documents and vendors' REST interfaces. Any status resolves, a redirect included:
 * following one would show the request's secrets to whoever the answer names. Proxies are the network's: nothing here reads the environment.
 * Rejects with a RestError, which carries nothing of the request but its origin.
 */
export function createRest(settings: RestSettings = {}): Rest {
  const { deadlineMs = 10_000 } = settings;
  const closing = new AbortController();
  const client = new RestClient(settings);

  async function rest(request: RestRequest): Promise<RestResponse> {
    const timeoutMs = request.deadlineMs ?? deadlineMs;
    const deadline = AbortSignal.timeout(timeoutMs);
    const left = AbortSignal.any([request.signal, closing.signal]);
    try {
      return await client.send(request, { timeoutMs, signal: AbortSignal.any([left, deadline]) });
    } catch (error) {
      throw restError(error, new URL(request.url).origin, left, deadline);
    }
  }

  function close(): void {
    closing.abort();
    client.close();
  }

  return Object.assign(rest, { close });
}

type Agents = Pick<AxiosRequestConfig, 'httpAgent' | 'httpsAgent'>;

interface Bounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

class RestClient {
  readonly #maxBytes: number;
  readonly #network: Network | undefined;
  readonly #trust: Pick<https.AgentOptions, 'ca'>;
  #axios: Promise<AxiosInstance> | undefined;
  #kept: KeptAgents | undefined;

  constructor({ maxBytes = 1024 * 1024, network, ca }: RestSettings) {
    this.#maxBytes = maxBytes;
    this.#network = network;
    this.#trust = ca === undefined ? {} : { ca };
  }

  /** By a connection that has served before, where that is asked for; a network of its own, or a certificate, has one for each call. */
  async send(request: RestRequest, bounds: Bounds): Promise<RestResponse> {
    const { method, keepAlive, tls } = request;
    const fresh = () => this.#once(request, bounds.signal, this.#freshAgents(request, bounds));
    if (!keepAlive || method !== 'GET' || tls || this.#network) return fresh();
    this.#kept ??= new KeptAgents(this.#trust);
    const { httpAgent, httpsAgent } = this.#kept;
    try {
      return await this.#once(request, bounds.signal, { httpAgent, httpsAgent });
    } catch (error) {
      if (!wasClosedMeanwhile(error) || bounds.signal.aborted) throw error;
      return fresh();
    }
  }

  close(): void {
    this.#kept?.destroy();
  }

  #freshAgents(request: RestRequest, bounds: Bounds): Agents {
    if (this.#network) return agentsOf(this.#network, request, bounds);
    return { httpsAgent: new https.Agent({ ...this.#trust, ...request.tls }) };
  }

  async #once(request: RestRequest, signal: AbortSignal, agents: Agents): Promise<RestResponse> {
    this.#axios ??= loadClient();
    const answer = await (await this.#axios).request<Readable>({
      method: request.method,
      url: request.url,
      headers: { accept: 'application/json', 'user-agent': 'mcp-drawbridge', ...request.headers },
      data: request.body,
      signal,
      ...agents,
    });
    return {
      status: answer.status,
      headers: flatHeaders(answer.headers),
      ...cookiesOf(answer.headers),
      body: await readText(answer.data, request.maxBytes ?? this.#maxBytes),
    };
  }
}

/** Agents whose one connection is made as the network says. */
function agentsOf(network: Network, { url, tls }: RestRequest, how: Bounds) {
  const createConnection: http.Agent['createConnection'] = (_options, callback) => {
    reach(new URL(url), network, { ...how, ...(tls ? { shown: tls } : {}) }).then(
      (socket) => callback?.(null, socket),
      // Nothing reads the second one where there is an error.
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  };
  return {
    httpAgent: Object.assign(new http.Agent(), { createConnection }),
    httpsAgent: Object.assign(new https.Agent(), { createConnection }),
  };
}

/** Axios is loaded by the first call, so that the start doesn't wait for it. */
async function loadClient(): Promise<AxiosInstance> {
  const { default: axios } = await import('axios');
  return axios.create({
    adapter: 'http',
    proxy: false,
    maxRedirects: 0,
    responseType: 'stream',
    validateStatus: () => true,
    transformRequest: [(data: unknown) => data],
    // No keep-alive unless it is asked for: most calls are rare, and a kept socket may be closed by the server just as it is used again.
    httpAgent: new http.Agent(),
  });
}

function flatHeaders(headers: AxiosResponse['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}

function cookiesOf({ 'set-cookie': cookies }: AxiosResponse['headers']): { cookies?: readonly string[] } {
  return Array.isArray(cookies) ? { cookies } : {};
}

async function readText(stream: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new RestError('too-large', `more than ${maxBytes} bytes came`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** OpenSSL's and Node's codes of a handshake that failed, and of a key or certificate that can't be used. */
const TLS_CODES = /^(EPROTO$|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_|ERR_SSL_|ERR_OSSL_)/;

/** What the client threw holds the whole request, secrets included: only its code goes on. */
function restError(error: unknown, origin: string, left: AbortSignal, deadline: AbortSignal): RestError {
  if (left.aborted) return new RestError('aborted', `the call to ${origin} was given up`);
  if (deadline.aborted) return new RestError('timeout', `${origin} took too long`);
  if (error instanceof RestError) return new RestError(error.reason, `${origin}: ${error.message}`);
  const { cause } = error as Error;
  if (cause instanceof GatewayError) return new RestError('unreachable', `no answer from ${origin}: ${cause.message}`);
  const code = errorCode(error) ?? errorCode(cause) ?? 'no code';
  if (TLS_CODES.test(code)) return new RestError('tls', `no secure connection to ${origin} (${code})`);
  return new RestError('unreachable', `no answer from ${origin} (${code})`);
}
