import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Tls } from './certificates.js';

/** The ways in which a token endpoint can be told to fail. */
export type Trouble =
  | 'html'
  | 'empty'
  | 'garbage'
  | 'no-token'
  | 'text-expiry'
  | 'redirect'
  | 'limit'
  | 'broken'
  | 'hang'
  | 'close';

/** A token request as it came in. */
export interface Seen {
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** The subject's common name of the client's certificate. */
  readonly certificate?: string;
}

/** A running identity provider. */
export interface Provider {
  readonly url: string;
  readonly tokenUrl: string;
  /** Every token request so far, those that were made to fail included. */
  readonly requests: readonly Seen[];
  /** What happens to token requests from now on. */
  misbehave(trouble: Trouble | undefined): void;
  close(): Promise<void>;
}

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse, seen: Seen) => void;

export interface TokenServerSettings {
  /** Https, asking for a client certificate. */
  readonly tls?: Tls | undefined;
  readonly tokenPath: string;
  /** The handler reads the body itself; what was seen has none. */
  readonly ownBody?: boolean;
  /** Everything that isn't made to fail; built once the server's own URL is known. */
  handler(url: string): Handler;
}

/** A server on 127.0.0.1 whose token endpoint counts its requests and can be told to fail. */
export async function startTokenServer({
  tls,
  tokenPath,
  ownBody = false,
  handler,
}: TokenServerSettings): Promise<Provider> {
  const server = tls
    ? https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false })
    : http.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const handle = handler(url);
  const requests: Seen[] = [];
  let trouble: Trouble | undefined;

  server.on('request', async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const isToken = request.url?.split('?')[0] === tokenPath;
    const seen = {
      headers: request.headers,
      body: isToken && !ownBody ? await readBody(request) : '',
      ...certificateOf(request),
    };
    if (isToken) requests.push(seen);
    if (isToken && trouble) return TROUBLES[trouble](response, url);
    handle(request, response, seen);
  });

  return {
    url,
    tokenUrl: url + tokenPath,
    requests,
    misbehave(next) {
      trouble = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const TROUBLES: Record<Trouble, (response: http.ServerResponse, url: string) => void> = {
  html: (response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Log in</title>'),
  empty: (response) => void response.writeHead(200).end(),
  garbage: (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token": '),
  'no-token': (response) => sendJson(response, 200, { token_type: 'bearer' }),
  'text-expiry': (response) =>
    sendJson(response, 200, { access_token: 'text-expiry', token_type: 'bearer', expires_in: '43199' }),
  redirect: (response, url) => void response.writeHead(302, { location: `${url}/login?state=1` }).end(),
  limit: (response) => void response.writeHead(429, { 'retry-after': '7' }).end(),
  broken: (response) => void response.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error'),
  hang: () => {},
  close: (response) => void response.destroy(),
};

async function readBody(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function certificateOf(request: http.IncomingMessage): { certificate?: string } {
  const subject = (request.socket as TLSSocket).getPeerX509Certificate?.()?.subject;
  const commonName = subject?.match(/^CN=(.*)$/m)?.[1];
  return commonName === undefined ? {} : { certificate: commonName };
}
