import { installedVersion } from './installed.mjs';

/** Keep-alive on both sides; answers that stream are not buffered, as whoever runs MCP behind nginx must set it. */
function config({ port, upstreamPort, folder }) {
  return `
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 12000; }
http {
  access_log off;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  keepalive_requests 1000000000;
  proxy_max_temp_file_size 0;
  upstream raw {
    server 127.0.0.1:${upstreamPort};
    keepalive 512;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_read_timeout 1h;
    location / { proxy_pass http://raw; }
    location ~ ^/(call-sse|progress|idle)$ { proxy_pass http://raw; proxy_buffering off; }
  }
}
`;
}

export const nginx = {
  name: 'nginx',
  prefix: '/',
  about: '1 worker; keep-alive to the upstream; buffering off for streams',
  get: 'apt-get install nginx-light',
  version: () => installedVersion('nginx', ['-v'], /nginx\/([\d.]+)/),
  files: (place) => ({ 'nginx.conf': config(place) }),
  command: ({ folder }) => ['nginx', '-p', folder, '-e', 'stderr', '-c', `${folder}/nginx.conf`],
};
