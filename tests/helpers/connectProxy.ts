import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { Certificate } from './certificates.js';

export interface ConnectProxySettings {
  /** Where each `host:port` really is: ports of 127.0.0.1. Any other one is refused with 502. */
  readonly routes: Readonly<Record<string, number>>;
  /** `user:password` that it wants. */
  readonly login?: string;
  /** Https. */
  readonly tls?: Certificate;
}

/** A forward proxy as companies have them: it opens tunnels (RFC 9110 section 9.3.6) and knows names that nobody else does. */
export interface ConnectProxy {
  readonly port: number;
  readonly url: string;
  /** Every authority that a tunnel was asked for. */
  readonly asked: string[];
  /** What `Proxy-Authorization` said each time. */
  readonly shown: (string | undefined)[];
  /** Routes may be added at any time. */
  readonly routes: Record<string, number>;
  close(): Promise<void>;
}

export async function startConnectProxy(settings: ConnectProxySettings): Promise<ConnectProxy> {
  const { login, tls } = settings;
  const routes = { ...settings.routes };
  const asked: string[] = [];
  const shown: (string | undefined)[] = [];
  const open = new Set<Socket>();
  const server = tls ? https.createServer({ ...tls }) : http.createServer();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {}).once('close', () => open.delete(socket));
  });
  server.on('connect', (request: http.IncomingMessage, client: Socket) => {
    const authority = request.url ?? '';
    const proof = request.headers['proxy-authorization'];
    asked.push(authority);
    shown.push(proof);
    client.on('error', () => {});
    if (login !== undefined && proof !== `Basic ${Buffer.from(login).toString('base64')}`)
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
    const port = routes[authority];
    if (port === undefined) return void client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const target = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    open.add(target);
    target.on('error', () => client.destroy()).once('close', () => open.delete(target));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    asked,
    shown,
    routes,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
