import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WORKLOADS } from '../workloads.mjs';

export const BIN = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const BUILT = new URL('../../dist/cli.js', import.meta.url);
const PACKAGE = new URL('../../package.json', import.meta.url);

/** Undefined where it isn't built. */
export function version() {
  return fs.existsSync(BUILT) ? JSON.parse(fs.readFileSync(PACKAGE, 'utf8')).version : undefined;
}

/** Whom callers' tokens are meant for. */
export const AUDIENCE = 'https://mcp.bench.example';

/** One destination per workload. */
function destinations({ upstreamPort }, options = {}) {
  const entry = (name) => [name, { kind: 'http', url: `http://127.0.0.1:${upstreamPort}/${name}`, ...options }];
  return Object.fromEntries(Object.keys(WORKLOADS).map(entry));
}

function credentials({ upstreamPort }) {
  const origin = `http://127.0.0.1:${upstreamPort}`;
  const machine = {
    kind: 'client-credentials',
    tokenUrl: `${origin}/token`,
    clientId: 'bench',
    clientSecret: 'bench-secret',
  };
  return { machine: { ...machine, origins: [origin] } };
}

function command(name, ...flags) {
  return ({ port, folder }) => [BIN, 'serve', '--config', `${folder}/${name}.json`, '--port', String(port), ...flags];
}

export const drawbridge = {
  name: 'drawbridge',
  prefix: '/mcp/',
  node: true,
  about: 'plain `http` destinations, `--log-level error`',
  get: 'npm run build',
  version,
  files: (place) => ({ 'drawbridge.json': JSON.stringify({ destinations: destinations(place) }) }),
  command: command('drawbridge', '--log-level', 'error'),
};

export const drawbridgeProduction = {
  name: 'drawbridge-production',
  prefix: '/mcp/',
  node: true,
  about: 'client-credentials token, circuit breaker and retries at their defaults, access log as JSON into a file',
  get: 'npm run build',
  version,
  files: (place) => ({
    'drawbridge-production.json': JSON.stringify({
      destinations: destinations(place, { credential: 'machine' }),
      credentials: credentials(place),
    }),
  }),
  command: command('drawbridge-production', '--log-format', 'json'),
};

/** What a company asks for besides: who calls, by a token that was checked before; roles with globs, and limits that nobody meets. */
function callers({ upstreamPort }) {
  const issuer = `http://127.0.0.1:${upstreamPort}`;
  const corp = {
    kind: 'jwt',
    issuer,
    jwksUri: `${issuer}/jwks`,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    tenant: 'tenant',
  };
  const allow = ['*/tools/call:*', '*/tools/list'];
  const deny = ['*/tools/call:delete_*'];
  return {
    identity: { corp },
    permissions: { roles: { caller: { allow, deny } } },
    quotas: { perAddress: '10000000/m', perCaller: '10000000/m', perTenant: '10000000/m' },
  };
}

/** What callers cost is told beside this one: a token and a session are read by Node, and sent on, whoever looks at them. */
export const drawbridgeBlind = {
  ...drawbridgeProduction,
  name: 'drawbridge-blind',
  showsTokens: true,
  about: 'production, sent the very calls of drawbridge-callers, with tokens and sessions that it knows nothing of',
};

export const drawbridgeCallers = {
  ...drawbridgeProduction,
  name: 'drawbridge-callers',
  showsTokens: true,
  about:
    "the same with callers' tokens (JWT, cached verdict), permissions and quotas; its calls name the session that is theirs",
  files: (place) => ({
    'drawbridge-callers.json': JSON.stringify({
      destinations: destinations(place, { credential: 'machine' }),
      credentials: credentials(place),
      ...callers(place),
    }),
  }),
  command: command('drawbridge-callers', '--log-format', 'json'),
};
