import { installedVersion } from './installed.mjs';

/**
 * It streams by nature, but lets small events wait 40 ms for more unless told otherwise. `maxconn` is what 5,000 held
 * streams need; it asks for two file descriptors each.
 */
function config({ port, upstreamPort }) {
  return `
global
  nbthread 1
  maxconn 6000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend door
  bind 127.0.0.1:${port} backlog 4096
  use_backend streams if { path /call-sse /progress /idle }
  default_backend raw
backend raw
  server raw 127.0.0.1:${upstreamPort} pool-max-conn 512
backend streams
  option http-no-delay
  server raw 127.0.0.1:${upstreamPort} pool-max-conn 512
`;
}

export const haproxy = {
  name: 'haproxy',
  prefix: '/',
  about: '1 thread; keep-alive to the upstream; `http-no-delay` for streams',
  get: 'apt-get install haproxy',
  version: () => installedVersion('haproxy', ['-v'], /version ([\d.]+)/),
  files: (place) => ({ 'haproxy.cfg': config(place) }),
  command: ({ folder }) => ['haproxy', '-db', '-f', `${folder}/haproxy.cfg`],
};
