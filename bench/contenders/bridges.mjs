import { fileURLToPath } from 'node:url';
import { BIN, drawbridge } from './drawbridge.mjs';
import { packageBin, packageVersion } from './installed.mjs';

const GET = 'npm ci --prefix bench';

/** What leads from stdio to an HTTP server. */
const BRIDGES = [
  {
    name: 'bare-lines',
    about: 'stdio → HTTP: lines and undici `dispatch`, nothing else: the floor for a Node process',
    get: 'npm ci',
    version: () => packageVersion('undici'),
    command: ({ url }) => [script('./bareLines.mjs'), url],
  },
  {
    name: 'drawbridge-stdio',
    about: 'stdio → HTTP: `mcp-drawbridge stdio`, `--log-level error`',
    get: drawbridge.get,
    version: drawbridge.version,
    command: ({ url }) => [BIN, 'stdio', url, '--log-level', 'error'],
  },
  {
    name: 'mcp-remote',
    about: 'stdio → HTTP, `--silent`',
    get: GET,
    version: () => packageVersion('mcp-remote'),
    command: ({ url }) => [packageBin('mcp-remote', 'mcp-remote'), url, '--transport', 'http-only', '--silent'],
  },
  {
    name: 'supergateway-stdio',
    about: 'stdio → HTTP, `--logLevel none`',
    get: GET,
    version: () => packageVersion('supergateway'),
    command: ({ url }) => [
      packageBin('supergateway', 'supergateway'),
      ...['--streamableHttp', url, '--outputTransport', 'stdio', '--logLevel', 'none'],
    ],
  },
];

/** What leads from HTTP to a stdio server. */
const SIDECARS = [
  {
    name: 'bare-spawn',
    about: 'HTTP → stdio: `node:http` and lines, nothing else: the floor for a Node process',
    get: 'npm ci',
    version: () => process.version,
    command: ({ port, child }) => [script('./bareSpawn.mjs'), String(port), ...child],
  },
  {
    name: 'drawbridge-sidecar',
    about: 'HTTP → stdio: a `stdio` destination, `--log-level error`',
    get: drawbridge.get,
    version: drawbridge.version,
    files: ({ child: [command, ...args] }) => ({
      'sidecar.json': JSON.stringify({
        server: { defaultDestination: 'child' },
        destinations: { child: { kind: 'stdio', command, args } },
      }),
    }),
    command: ({ port, folder }) => [
      ...[BIN, 'serve', '--config', `${folder}/sidecar.json`],
      ...['--port', String(port), '--log-level', 'error'],
    ],
  },
  {
    name: 'mcp-proxy',
    about: 'HTTP → stdio, `--server stream`',
    get: GET,
    version: () => packageVersion('mcp-proxy'),
    command: ({ port, child }) => [
      packageBin('mcp-proxy', 'mcp-proxy'),
      ...['--port', String(port), '--host', '127.0.0.1', '--server', 'stream', '--', ...child],
    ],
  },
  {
    name: 'supergateway-sidecar',
    about: 'HTTP → stdio, `--stateful`, `--logLevel none`',
    get: GET,
    version: () => packageVersion('supergateway'),
    command: ({ port, child }) => [
      packageBin('supergateway', 'supergateway'),
      ...['--stdio', child.join(' '), '--outputTransport', 'streamableHttp', '--stateful'],
      ...['--port', String(port), '--logLevel', 'none'],
    ],
  },
];

/** With `role`: `bridge` has the load on its stdin, `sidecar` on HTTP. */
export const BRIDGING = [
  ...BRIDGES.map((definition) => ({ ...definition, role: 'bridge' })),
  ...SIDECARS.map((definition) => ({ ...definition, role: 'sidecar' })),
];

function script(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
