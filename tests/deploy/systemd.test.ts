import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { args } from './program.js';

const UNIT = 'deploy/systemd/mcp-drawbridge.service';
const text = fs.readFileSync(UNIT, 'utf8');
const option = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];
const withoutSystemd = spawnSync('systemd-analyze', ['--version']).error && 'systemd-analyze is not installed';

describe('the unit of systemd', () => {
  it('starts the program by options that it has, and hears what its helper tells', () => {
    const words = option('ExecStart')?.split(' ') ?? [];
    expect(args.unknown(words)).toEqual([]);
    expect(words[words.indexOf('--pid-file') + 1]).toMatch(new RegExp(`^/run/${option('RuntimeDirectory')}/`));
    expect([option('Type'), option('NotifyAccess')]).toEqual(['notify', 'all']);
    expect(option('ExecReload')).toContain('-HUP');
  });

  it('knows the exit codes', () => {
    expect([option('SuccessExitStatus'), option('RestartPreventExitStatus')]).toEqual([undefined, '2']);
  });

  (withoutSystemd ? it.skip : it)(`is whole (${withoutSystemd ?? 'systemd-analyze verify'})`, () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', UNIT], { encoding: 'utf8' });
    expect([status, stderr.split('\n').filter((line) => line.includes('mcp-drawbridge.service'))]).toEqual([0, []]);
  });

  (withoutSystemd ? it.skip : it)(`is tight (${withoutSystemd ?? 'systemd-analyze security'})`, () => {
    const line = ['security', '--offline=true', '--threshold=25', UNIT];
    const { status, stdout } = spawnSync('systemd-analyze', line, { encoding: 'utf8' });
    expect([status, stdout.split('\n').filter((row) => row.includes('Overall'))]).toEqual([0, expect.anything()]);
  });
});
