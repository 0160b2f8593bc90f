import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  localhostHostValidation,
  localhostOriginValidation,
  type NodeIncomingMessageLike,
  toWebRequest,
} from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { createServer, createShared, type Era } from './fixture/server.js';
import { Sessions } from './fixture/sessions.js';

/** How to serve. `speaks` is `both` unless told. With `requireBearer`, a request without that token, or one that the function accepts, gets a 401. */
export interface FixtureOptions {
  readonly port?: number;
  readonly host?: string;
  readonly speaks?: Era;
  readonly requireBearer?: string | ((token: string) => boolean);
}

/** A fixture that listens; `url` is its MCP endpoint. */
export interface Fixture {
  readonly url: string;
  close(): Promise<void>;
}

/** One MCP endpoint, whatever the socket. */
interface Endpoint {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Starts an MCP server that answers everything the official conformance suite asks, in the stateless manner of
 * 2026-07-28 and with sessions as of 2025-11-25, both on `/mcp`. Resolves once it listens.
 */
export async function startFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const { port = 0, host = '127.0.0.1', speaks = 'both', requireBearer } = options;
  const endpoint = createEndpoint(speaks);
  const guards = [localhostHostValidation(), localhostOriginValidation(), bearerGuard(requireBearer), isMcpPath];
  const server = createHttpServer((request, response) => {
    if (guards.every((guard) => guard(request, response))) void answer(endpoint, request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/mcp`, close: () => stop(server, endpoint) };
}

function createEndpoint(speaks: Era): Endpoint {
  const shared = createShared();
  const modern = createMcpHandler(() => createServer(shared), { legacy: 'reject', bus: shared.changes });
  const sessions = new Sessions(shared);
  const isForSessions = async (request: Request) =>
    speaks === 'legacy' || (speaks === 'both' && (await isLegacyRequest(request)));
  return {
    fetch: async (request) => ((await isForSessions(request)) ? sessions.fetch(request) : modern.fetch(request)),
    close: async () => {
      await Promise.all([sessions.close(), modern.close()]);
    },
  };
}

/** The head leaves at once, so that a stream is open before it has anything to say. */
async function answer(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort());
  try {
    const reply = await endpoint.fetch(
      await toWebRequest(request as NodeIncomingMessageLike, undefined, { signal: left.signal }),
    );
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).flushHeaders();
    if (reply.body === null) response.end();
    else await pipeline(Readable.fromWeb(reply.body), response);
  } catch (reason) {
    if (!left.signal.aborted) response.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  }
}

/** RFC 6750 §3: a request without a good token is told which kind is wanted. */
function bearerGuard(required: FixtureOptions['requireBearer']) {
  const accepts = typeof required === 'string' ? (token: string) => token === required : (required ?? (() => true));
  return ({ headers }: IncomingMessage, response: ServerResponse): boolean => {
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    if (accepts(token)) return true;
    response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    return false;
  };
}

function isMcpPath({ url }: IncomingMessage, response: ServerResponse): boolean {
  if (url?.split('?')[0] === '/mcp') return true;
  response.writeHead(404).end();
  return false;
}

async function stop(server: Server, endpoint: Endpoint): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await endpoint.close();
  server.closeAllConnections();
  await closed;
}
