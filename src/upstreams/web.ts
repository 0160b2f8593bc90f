import { Agent as HttpAgent, type IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Plugin, RequestHandler } from 'http-proxy-middleware';
import * as z from 'zod';
import type {
  Attempt,
  Deadlines,
  Exchange,
  HeaderLines,
  Inbound,
  Kind,
  Reply,
  Upstream,
  UpstreamDeps,
} from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { flag, httpUrl } from '../core/schema.js';
import { socketsOf } from '../wire/exchange.js';
import { FieldNames, ROUTING_HEADERS, without } from '../wire/headers.js';
import { Passage } from './webPassage.js';

const options = z.strictObject({
  /** The website. A path in it is put before that of each request. */
  url: httpUrl(),
  /** Sends the website's own host in `Host`, instead of the one that the caller asked for. */
  changeOrigin: flag().default(false),
});

type Options = z.infer<typeof options>;

/** A website: what isn't MCP passes through to it, WebSockets included, unchanged apart from our own and hop-by-hop headers. */
class WebUpstream implements Upstream {
  readonly name: string;
  readonly strategy = 'PASSTHROUGH';
  readonly url: URL;
  readonly allowedOrigins = [];
  readonly allowPrivate = false;
  readonly #changeOrigin: boolean;
  readonly #deadlines: Deadlines;
  readonly #names = new FieldNames();
  readonly #agent: HttpAgent | HttpsAgent;
  /** The middleware's events name the request; this finds what it belongs to. */
  readonly #passages = new WeakMap<IncomingMessage, Passage>();
  #middleware: Promise<RequestHandler> | undefined;

  constructor(given: Options, deps: UpstreamDeps) {
    this.name = deps.name;
    this.url = given.url;
    this.#changeOrigin = given.changeOrigin;
    this.#deadlines = deps.deadlines;
    this.#agent = createAgent(given.url);
  }

  /** Nothing is known of what a website's requests do. */
  safeToRepeat(): boolean {
    return false;
  }

  resolve(_base: URL, request: Inbound): URL {
    return new URL(this.url.origin + this.#pathOf(request.target));
  }

  /** The status is not known yet: the one that counts is what `takeOver` resolves with. */
  async send(exchange: Exchange, { trace }: Attempt): Promise<Reply> {
    const takeOver = () => this.#pass(exchange, trace);
    return { status: 200, headers: [], body: { takeOver }, origin: 'upstream' };
  }

  /** Lets go of idle sockets; exchanges that still run keep theirs. */
  async close(): Promise<void> {
    this.#agent.maxFreeSockets = 0;
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  async #pass(exchange: Exchange, trace: HeaderLines = []): Promise<number> {
    this.#middleware ??= this.#createMiddleware();
    const middleware = await this.#middleware;
    const { request, response, head } = socketsOf(exchange.request);
    const upgrading = !(response instanceof ServerResponse);
    const lines = [...this.#linesOf(exchange, upgrading, trace), ...trace];
    return new Promise((resolve, reject) => {
      const passage = new Passage({
        origin: this.url.origin,
        path: this.#pathOf(exchange.request.target),
        lines,
        names: this.#names,
        body: exchange.call?.body ?? null,
        deadlines: this.#deadlines,
        request,
        caller: response,
        signal: exchange.signal,
        resolve,
        reject,
      });
      this.#passages.set(request, passage);
      prepareForMiddleware(request);
      if (!upgrading) void middleware(request, response, (error) => passage.fail(error));
      else if (isWebSocket(request)) middleware.upgrade(request, response as Socket, head ?? Buffer.alloc(0));
      else reject(new GatewayError('UPGRADE_REFUSED', 'only upgrades to WebSocket are passed on'));
    });
  }

  /** The path as the caller wrote it (no other target gets here), behind the website's own: nothing is decoded, normalised or joined by URL rules. */
  #pathOf(target: string): string {
    return this.url.pathname.replace(/\/$/, '') + target;
  }

  /** Without those that `instead` says anew. */
  #linesOf({ request, tokenIsOurs }: Exchange, upgrading: boolean, instead: HeaderLines): HeaderLines {
    const given = instead.length > 0 ? without(request.headerLines, namesOf(instead)) : request.headerLines;
    const lines = endToEnd(given, this.#names, tokenIsOurs);
    if (upgrading) lines.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
    if (!this.#changeOrigin) return lines;
    return ['Host', this.url.host, ...without(lines, new Set(['host']))];
  }

  async #createMiddleware(): Promise<RequestHandler> {
    const { createProxyMiddleware } = await import('./webMiddleware.js');
    const follow: Plugin = (proxy) => {
      proxy.on('proxyReq', (outgoing, request) => this.#passages.get(request)?.depart(outgoing));
      proxy.on('proxyReqWs', (outgoing, request) => this.#passages.get(request)?.departForUpgrade(outgoing));
      proxy.on('proxyRes', (incoming, request) => this.#passages.get(request)?.answer(incoming));
      proxy.on('error', (error, request) => this.#passages.get(request)?.fail(error));
      proxy.on('econnreset', (error, request) => this.#passages.get(request)?.fail(error));
    };
    return createProxyMiddleware({
      target: this.url.origin,
      agent: this.#agent,
      // Its own plugins log, and answer errors with a page; its own copying of answers folds and re-cases headers.
      ejectPlugins: true,
      plugins: [follow],
      selfHandleResponse: true,
    });
  }
}

function namesOf(lines: HeaderLines): ReadonlySet<string> {
  return new Set(lines.filter((_, index) => index % 2 === 0));
}

/** Ours, and `Expect`: this hop's server has answered that before anybody was asked (RFC 9110 section 10.1.1). */
const NOT_PASSED: ReadonlySet<string> = new Set([...ROUTING_HEADERS, 'expect']);

/** Without these a body would have no end, or a request no address: a caller can't have them dropped. */
const NEEDED: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding']);

/**
 * The lines that aren't for us (the token that we know the caller by is) and don't concern the caller's connection only:
 * by their name, or because `Connection` names them (RFC 9110 section 7.6.1). `Transfer-Encoding` stays, since Node
 * frames the body anew by it.
 */
function endToEnd(lines: HeaderLines, names: FieldNames, tokenIsOurs = false): string[] {
  const dropped = new Set(NOT_PASSED);
  for (let i = 0; i < lines.length; i += 2) {
    const { connection, hopByHop, lower, ours, token } = names.of(lines[i] as string);
    if (hopByHop || ours || (tokenIsOurs && token)) dropped.add(lower);
    if (connection) for (const option of (lines[i + 1] as string).split(',')) dropped.add(option.trim().toLowerCase());
  }
  for (const name of NEEDED) dropped.delete(name);
  return without(lines, dropped);
}

/** The certificate is checked against the website's name, whatever `Host` the caller sent. */
function createAgent(url: URL): HttpAgent | HttpsAgent {
  if (url.protocol === 'http:') return new HttpAgent({ keepAlive: true });
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new HttpsAgent({ keepAlive: true, servername: isIP(host) ? '' : host });
}

/**
 * The middleware would parse and rebuild the path, and refuse what it can't parse without a word; it would send a head
 * with `Expect` before it could be mended; and `Connection` is Node's to say. Path and lines are put in place later.
 */
function prepareForMiddleware(request: IncomingMessage): void {
  request.url = '/';
  const { expect: _answered, connection: _callers, ...headers } = request.headers;
  request.headers = headers;
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket';
}

const web: Kind<Upstream, Options, UpstreamDeps> = {
  options,
  create: (given, deps) => new WebUpstream(given, deps),
};

export default web;
