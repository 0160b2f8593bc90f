import { BIN, version } from './drawbridge.mjs';

/** The one destination is named like the workload that it is asked. */
const WORKLOAD = 'call-count';

/** A tool that lives in the process, and the same process before a server that answers the same: their difference is what a toolset costs. */
export const TOOLSETS = [
  contender('drawbridge-http', 'a plain `http` destination, `--log-level error`', ({ upstreamPort }) => ({
    kind: 'http',
    url: `http://127.0.0.1:${upstreamPort}/${WORKLOAD}`,
  })),
  contender('drawbridge-toolset', '`get_count` of the toolset `demo`, `--log-level error`', () => ({
    kind: 'toolset',
    toolset: 'demo',
  })),
];

function contender(name, about, destination) {
  return {
    name,
    role: 'toolset',
    prefix: '/mcp/',
    first: WORKLOAD,
    node: true,
    about,
    get: 'npm run build',
    version,
    files: (place) => ({ [`${name}.json`]: JSON.stringify({ destinations: { [WORKLOAD]: destination(place) } }) }),
    command: ({ port, folder }) => [
      ...[BIN, 'serve', '--config', `${folder}/${name}.json`, '--port', String(port)],
      ...['--log-level', 'error'],
    ],
  };
}
