import { fileURLToPath } from 'node:url';
import { packageVersion } from './installed.mjs';

/** A server of this folder that takes its own port and the upstream's. */
function server(file) {
  const script = fileURLToPath(new URL(file, import.meta.url));
  return ({ port, upstreamPort }) => [script, String(port), String(upstreamPort)];
}

export const bareUndici = {
  name: 'bare-undici',
  prefix: '/',
  node: true,
  about: '`node:http` and undici `dispatch`, nothing else: the floor for a Node process',
  get: 'npm ci',
  version: () => packageVersion('undici'),
  command: server('./bareUndici.mjs'),
};

export const httpProxyMiddleware = {
  name: 'http-proxy-middleware',
  prefix: '/',
  node: true,
  about: 'on `node:http`, keep-alive agent',
  get: 'npm ci',
  version: () => packageVersion('http-proxy-middleware'),
  command: server('./httpProxyMiddleware.mjs'),
};

export const expressHttpProxyMiddleware = {
  name: 'express-http-proxy-middleware',
  prefix: '/',
  node: true,
  about: 'the same behind Express',
  get: 'npm ci --prefix bench',
  version: () => packageVersion('express'),
  command: server('./expressHttpProxyMiddleware.mjs'),
};
