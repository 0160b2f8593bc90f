import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An OAuth 2 token endpoint for one client, good for the client credentials grant only. */
export interface TokenEndpoint {
  readonly url: string;
  /** True for a token that was issued here. */
  issued(token: string): boolean;
  close(): Promise<void>;
}

/** Starts it on a free port. The client proves itself by its secret in the form (RFC 6749 §2.3.1). */
export async function startTokenEndpoint(clientId: string, clientSecret: string): Promise<TokenEndpoint> {
  const tokens = new Set<string>();
  const server = createServer(async (request, response) => {
    const form = new URLSearchParams(await readForm(request));
    const known = form.get('client_id') === clientId && form.get('client_secret') === clientSecret;
    if (!known || form.get('grant_type') !== 'client_credentials') {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}');
      return;
    }
    const token = randomUUID();
    tokens.add(token);
    const answer = { access_token: token, token_type: 'Bearer', expires_in: 3600 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    issued: (token) => tokens.has(token),
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

/** Anything that isn't a form to the token endpoint holds no credentials. */
async function readForm(request: IncomingMessage): Promise<string> {
  return request.method === 'POST' && request.url === '/token' ? text(request) : '';
}
