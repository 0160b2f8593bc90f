import path from 'node:path';
import { type Source, sources } from '../helpers/sources.js';

/** A room may import from lower ranks and from itself; rooms of one rank meet as contracts that `app` hands in. */
const RANKS = [
  ['contracts', 'core'],
  ['wire', 'resilience', 'stores', 'telemetry'],
  ['identity', 'credentials', 'policy', 'router', 'upstreams', 'bridge', 'events', 'connectors', 'secrets'],
  ['gateway'],
  ['edge'],
  [
    'config',
    'app',
    'answerStores',
    'banner',
    'callers',
    'cli',
    'cliLogin',
    'cliOptions',
    'cliStdio',
    'commands',
    'loginCommandLine',
    'crewMetrics',
    'destinations',
    'doors',
    'index',
    'keysCommand',
    'lifecycle',
    'loginCommands',
    'logins',
    'oauthMemory',
    'kinds',
    'management',
    'metering',
    'protections',
    'networks',
    'doctor',
    'doctorSteps',
    'doctorAuth',
    'doctorTalk',
    'doctorWalk',
    'reloads',
    'runtime',
    'serve',
    'sourceLogins',
    'pastedAddresses',
    'pidFile',
    'serviceManager',
    'stdio',
    'testing',
    'tracing',
    'vaults',
    'warmUps',
    'workers',
  ],
];
const TOP = RANKS.length - 1;

/** `src/wire/forward.ts` → `wire`; `src/app.ts` → `app`. Every vendor is a room of its own. */
function roomOf(file: string): string {
  const [, first = '', second = ''] = file.split('/');
  return first === 'connectors' ? `connectors/${second}` : first.replace(/\.ts$/, '');
}

function rankOf(room: string): number {
  return RANKS.findIndex((rooms) => rooms.includes(room.split('/')[0] as string));
}

function importsOf(source: Source): string[] {
  const found = source.text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g);
  return [...found].map(([, target]) =>
    path.posix.join(path.posix.dirname(source.path), target as string).replace(/\.js$/, '.ts'),
  );
}

function violations(source: Source): string[] {
  const room = roomOf(source.path);
  const rank = rankOf(room);
  return importsOf(source)
    .filter((target) => {
      const other = roomOf(target);
      return other !== room && rankOf(other) >= rank && !(rank === TOP || (rank === 0 && other === 'contracts'));
    })
    .map((target) => `${source.path} imports ${target}`);
}

const all = sources('src');

describe('layers', () => {
  it('every file stands in a room that has a rank', () => {
    expect(all.filter((source) => rankOf(roomOf(source.path)) === -1).map((source) => source.path)).toEqual([]);
  });

  it('imports point downwards', () => {
    expect(all.flatMap(violations)).toEqual([]);
  });

  it('no file imports itself by a detour', () => {
    const graph = new Map(all.map((source) => [source.path, importsOf(source)]));
    const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
      (graph.get(from) ?? []).some((next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))));
    expect([...graph.keys()].filter((file) => reaches(file, file))).toEqual([]);
  });

  it('only config reads the environment', () => {
    const readers = all.filter((source) => source.text.includes('process.env') && roomOf(source.path) !== 'config');
    expect(readers.map((source) => source.path)).toEqual([]);
  });

  it('no module keeps state', () => {
    expect(all.filter((source) => /^(?:export )?(?:let|var) /m.test(source.text)).map((source) => source.path)).toEqual(
      [],
    );
  });

  it('would notice', () => {
    expect(
      violations({ path: 'src/wire/x.ts', text: "import '../gateway/y.js'; import { a } from '../gateway/y.js';" }),
    ).toHaveLength(1);
    expect(violations({ path: 'src/router/x.ts', text: "import { a } from '../upstreams/http.js';" })).toHaveLength(1);
  });
});
