/** Usage: node expressHttpProxyMiddleware.mjs <port> <upstream port> */
import http from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true });
const app = express();

app.use(createProxyMiddleware({ target: `http://127.0.0.1:${upstreamPort}`, agent }));
app.listen(port, '127.0.0.1');
