import path from 'node:path';

/** What both replicas are started with. `destinations`: further ones; `baseMs`: of retries, so that a reload has something to change. */
export function configuration(
  { ports, folder, secrets, lacks, firstByteMs },
  { stdioServer, destinations = {}, baseMs = 100 },
) {
  const at = (name) => `http://127.0.0.1:${ports[name]}`;
  const client = {
    tokenUrl: `${at('provider')}/token`,
    clientId: 'drawbridge',
    clientSecret: `${secrets.provider}-client`,
  };
  const server = (name) => ({
    kind: 'http',
    url: `${at(name)}/mcp`,
    credential: name,
    safeTools: ['read_*'],
    era: 'legacy',
  });
  const redis = { kind: 'redis', url: `redis://127.0.0.1:${ports.redis}`, password: secrets.redis };
  return {
    server: {
      sessionKey: secrets.sessionKey,
      drainMs: 6000,
      keyFile: path.join(folder, 'keys.json'),
      trustedProxies: ['127.0.0.1'],
    },
    identity: { keys: { kind: 'api-key' } },
    destinations: {
      sessions: server('sessions'),
      plain: server('plain'),
      modern: { ...server('modern'), era: 'modern' },
      old: { kind: 'sse', url: `${at('old')}/sse`, credential: 'old', safeTools: ['read_*'] },
      all: { kind: 'federation', members: ['sessions', 'plain'] },
      child: {
        kind: 'stdio',
        command: process.execPath,
        args: [stdioServer, path.join(folder, 'stdio.jsonl')],
        safeTools: ['read_*'],
        restart: { baseMs: 100, maxMs: 1000 },
      },
      ...destinations,
    },
    credentials: {
      sessions: { kind: 'client-credentials', ...client, origins: [at('sessions')] },
      modern: { kind: 'client-credentials', ...client, origins: [at('modern')] },
      old: { kind: 'client-credentials', ...client, origins: [at('old')] },
      plain: { kind: 'refresh-token', ...client, refreshToken: '${REFRESH_TOKEN}', origins: [at('plain')] },
    },
    quotas: {
      perCaller: '60000/m',
      concurrent: { perCaller: 1000 },
      ...(lacks.redis ? {} : { store: 'shared' }),
    },
    ...(lacks.redis ? {} : { stores: { shared: redis } }),
    resilience: { firstByteMs, retry: { attempts: 4, baseMs }, circuitBreaker: { failures: 5, resetMs: 1000 } },
  };
}

/** Only what certainly wasn't done is sent to the other replica: connections that never stood, and refusals of a replica that stops. */
export function haproxyConfiguration({ ports, replicas }) {
  return `
defaults
  mode http
  timeout connect 1s
  timeout check 2s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 30s
  retries 3
  option redispatch 1
  retry-on conn-failure 503
  option forwardfor
frontend front
  bind 127.0.0.1:${ports.front}
  default_backend replicas
backend replicas
  balance roundrobin
  http-reuse never
  option httpchk
  http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host 127.0.0.1
  http-check expect status 200
  default-server check inter 200ms fall 2 rise 1
${replicas.map((name) => `  server ${name} 127.0.0.1:${ports[name]}`).join('\n')}
`;
}
