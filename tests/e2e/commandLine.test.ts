import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { programNode } from '../helpers/programNode.js';

interface End {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const GOOD = { destinations: { here: { kind: 'http', url: 'http://127.0.0.1:1/mcp' } } };
const BAD = {
  server: { port: 'eighty', passthrough: 'here' },
  destinations: { here: { kind: 'http', url: 'localhost', credential: 'nobody' }, there: { kind: 'htpp' } },
  quotas: { perCaller: 'often' },
};
const PLAIN = {
  destinations: { app: { kind: 'http', url: 'http://app:8080/mcp', credential: 'app' } },
  credentials: { app: { kind: 'static', token: 't', origins: ['http://app:8080'] } },
};

describe('the command line', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'command-line-'));
    await Promise.all([write('good.json', GOOD), write('bad.json', BAD), write('plain.json', PLAIN)]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const write = (name: string, config: object) => writeFile(path.join(folder, name), JSON.stringify(config, null, 2));

  /** Runs the program to its end, in that folder and with next to nothing from this environment. */
  function run(...args: string[]): Promise<End> {
    const env = { PATH: process.env.PATH ?? '', HOME: folder };
    return new Promise((resolve) => {
      execFile(
        programNode(),
        [path.resolve('bin/mcp-drawbridge.js'), ...args],
        { cwd: folder, env },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  }

  it('checks a good configuration', async () => {
    const stdout = 'The configuration is valid: 1 destinations, 0 credentials.\n';
    expect(await run('check', '-c', 'good.json')).toEqual({ code: 0, stdout, stderr: '' });
  });

  it('checks a credential over plain http as good where the flag allows it', async () => {
    expect(await run('check', '-c', 'plain.json', '--allow-http')).toMatchObject({ code: 0, stderr: '' });
  });

  it.each(['check', 'serve'])('%s tells every fault at once and ends with 2', async (command) => {
    const { code, stdout, stderr } = await run(command, '-c', 'bad.json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const place of [
      'server.port',
      'server.passthrough',
      'destinations.here.url',
      'destinations.here.credential',
      'destinations.there.kind',
      'quotas',
    ])
      expect(stderr).toContain(place);
    expect(stderr).toContain('did you mean "http"?');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says so where there is no configuration', async () => {
    const { code, stderr } = await run('serve');
    expect(code).toBe(2);
    expect(stderr).toContain('no configuration was found');
  });

  it.each([
    ['an unknown option', ['serve', '-c', 'good.json', '--prot', '1'], 'did you mean --port?'],
    ['a needless argument', ['check', '-c', 'good.json', 'again'], 'too many arguments'],
    ['a port that is none', ['serve', '-c', 'good.json', '--port', '99999'], '--port'],
    ['a destination that nobody defines', ['serve', '-c', 'good.json', '--btp', 'her'], 'did you mean "here"?'],
    ['--mcp, which is gone', ['--mcp', 'here'], 'use --destination'],
    ['--mcp-url, which is gone', ['--mcp-url', 'http://127.0.0.1:1'], 'use --url'],
    ['--tui, which is gone', ['--tui'], '/health/ready'],
    ['--stdio, which is a command', ['-c', 'good.json', '--stdio'], 'say mcp-drawbridge stdio'],
    ['--ignore-tool', ['--ignore-tool', 'delete_*'], '--ignore-tool is for mcp-drawbridge stdio'],
    ['--resource', ['--resource', 'https://a.example.com'], '--resource is for mcp-drawbridge stdio'],
    [
      '--static-oauth-client-info',
      ['--static-oauth-client-info', '{}'],
      '--static-oauth-client-info is for mcp-drawbridge stdio',
    ],
    [
      '--static-oauth-client-metadata',
      ['--static-oauth-client-metadata', '{}'],
      '--static-oauth-client-metadata is for mcp-drawbridge stdio',
    ],
    ['a credential over plain http', ['check', '-c', 'plain.json'], 'say --allow-http'],
  ])('refuses %s', async (_what, args, hint) => {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.toLowerCase()).toContain(hint);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says its version, and how it is used', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const { code, stdout } = await run('serve', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('--config <file>');
    expect(stdout).not.toContain('--http-port');
  });
});
