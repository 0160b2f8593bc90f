import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { configSchema } from '../../src/config/schema.js';
import { METRICS_PATH } from '../../src/edge/admin.js';
import { createProbes } from '../../src/edge/probes.js';

const SOURCES = ['src/cli.ts', 'src/cliOptions.ts'].map((file) => fs.readFileSync(file, 'utf8')).join('');
/** Every option that the command line has. */
const FLAGS = new Set(SOURCES.match(/--[a-z][a-z-]+/g));

/** What the program makes of a command line in `deploy/`. */
export const args = {
  /** Options that it doesn't have. */
  unknown: (line: readonly string[]) => line.filter((word) => word.startsWith('--') && !FLAGS.has(word)),
  port: (line: readonly string[]) => Number(line[line.indexOf('--port') + 1]),
};

export const DEFAULT_PORT = configSchema.parse({}).server.port;

const probes = createProbes(() => ({
  starting: false,
  draining: false,
  upstreams: new Map(),
  circuitState: () => 'closed',
}));

/** True for a path that answers a probe. */
export function isProbe(path: string): boolean {
  const request = { method: 'GET', headers: {}, socket: {} } as unknown as IncomingMessage;
  return probes(path, request)?.status === 200;
}

export { METRICS_PATH };
