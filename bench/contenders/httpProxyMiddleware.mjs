/** Usage: node httpProxyMiddleware.mjs <port> <upstream port> */
import http from 'node:http';
import { createProxyMiddleware } from 'http-proxy-middleware';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true });
const proxy = createProxyMiddleware({ target: `http://127.0.0.1:${upstreamPort}`, agent });

http.createServer((request, response) => proxy(request, response)).listen(port, '127.0.0.1');
