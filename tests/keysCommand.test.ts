import { ConfigError } from '../src/core/errors.js';
import { type KeysAction, type KeysOptions, runKeys } from '../src/keysCommand.js';
import { FakeKeyRing } from './edge/adminWorld.js';
import { FakeClock } from './helpers/fakes.js';

class Text {
  text = '';

  write = (text: string) => {
    this.text += text;
  };
}

describe('mcp-drawbridge keys', () => {
  let keys: FakeKeyRing;
  let clock: FakeClock;

  beforeEach(() => {
    clock = new FakeClock();
    keys = new FakeKeyRing(clock);
  });

  async function run(action: KeysAction, options: KeysOptions = {}): Promise<{ stdout: string; stderr: string }> {
    const [stdout, stderr] = [new Text(), new Text()];
    await runKeys(action, options, { keys, clock, stdout, stderr });
    return { stdout: stdout.text, stderr: stderr.text };
  }

  const faultOf = async (action: KeysAction, options: KeysOptions) => {
    const error = await run(action, options).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).faults[0];
  };

  it('create writes the key alone on its line, and notes elsewhere', async () => {
    const { stdout, stderr } = await run('create', {
      name: 'ci',
      role: ['analyst', 'viewer'],
      tenant: 'red',
      destination: ['qlik*'],
      expires: '90d',
    });
    expect(stdout).toBe('secret-text-1\n');
    expect(stderr).toContain('k1 (ci), until 2027-02-19T00:00:00.000Z.');
    expect(stderr).not.toContain('secret-text');
    expect(keys.list()).toMatchObject([{ roles: ['analyst', 'viewer'], tenant: 'red', destinations: ['qlik*'] }]);
  });

  it('create without more makes a key without roles, tenant and end', async () => {
    await run('create', { name: 'ci' });
    expect(keys.list()).toEqual([
      { id: 'k1', name: 'ci', roles: [], hash: expect.any(String), createdAt: clock.now() },
    ]);
  });

  it('rotate keeps the rights, and the old key for a day unless told otherwise', async () => {
    await run('create', { name: 'ci', role: ['analyst'] });
    const { stdout, stderr } = await run('rotate', { id: 'k1' });
    expect(stdout).toBe('secret-text-2\n');
    expect(stderr).toContain('k1 serves on for 24h.');
    await run('rotate', { id: 'k1', overlap: '0s' });
    expect(keys.overlaps).toEqual([86_400_000, 0]);
  });

  it('revoke ends a key, once', async () => {
    await run('create', { name: 'ci' });
    expect((await run('revoke', { id: 'k1' })).stderr).toBe('Revoked k1.\n');
    await expect(run('revoke', { id: 'k1' })).rejects.toThrow('the key k1 has ended already');
  });

  it('list shows keys as a table or as JSON, without texts and hashes', async () => {
    await run('create', { name: 'ci', role: ['analyst'], expires: '1h' });
    await run('create', { name: 'other', tenant: 'red' });
    clock.time += 3_600_000;
    const { stdout } = await run('list');
    expect(stdout.split('\n').map((row) => row.split(/ {2,}/))).toEqual([
      ['ID', 'NAME', 'STATE', 'TENANT', 'ROLES', 'DESTINATIONS', 'EXPIRES'],
      ['k1', 'ci', 'ended', '-', 'analyst', '*', '2026-11-21T01:00:00.000Z'],
      ['k2', 'other', 'active', 'red', '-', '*', '-'],
      [''],
    ]);
    const json = (await run('list', { json: true })).stdout;
    expect(JSON.parse(json)).toMatchObject([
      { id: 'k1', state: 'ended' },
      { id: 'k2', state: 'active' },
    ]);
    expect(json).not.toMatch(/hash|secret-text/);
  });

  it('list of nothing says how to begin, and is empty JSON', async () => {
    expect(await run('list')).toMatchObject({ stdout: '', stderr: expect.stringContaining('keys create') });
    expect((await run('list', { json: true })).stdout).toBe('[]\n');
  });

  it.each(['90', '90 d', 'd', '-1d', '1.5h', '1y', '0s', '99999d', '9999999999w', '1e3s', ''])(
    'refuses %j as the life of a key',
    async (expires) => {
      const fault = await faultOf('create', { name: 'ci', expires });
      expect(fault).toMatchObject({ path: '--expires', message: expect.stringMatching(/^must be/) });
      expect(keys.list()).toEqual([]);
    },
  );

  it('refuses an overlap of more than 30 days', async () => {
    await run('create', { name: 'ci' });
    expect(await faultOf('rotate', { id: 'k1', overlap: '31d' })).toMatchObject({ path: '--overlap' });
    expect(keys.overlaps).toEqual([]);
  });

  it('refuses a key without a name or with one that no line can hold', async () => {
    for (const name of [undefined, '', 'a\nb', '\u001b[2J', 'x'.repeat(101)]) {
      expect(await faultOf('create', name === undefined ? {} : { name })).toMatchObject({ path: '--name' });
    }
  });

  it('says where ids are to be had', async () => {
    expect(await faultOf('revoke', {})).toMatchObject({ path: 'id', hint: expect.stringContaining('keys list') });
    await expect(run('rotate', { id: 'nope' })).rejects.toThrow('no key with the id nope: mcp-drawbridge keys list');
  });

  it('stops a name that was written elsewhere from moving the cursor', async () => {
    await keys.create({ name: 'x\u001b[2J' });
    expect((await run('list')).stdout).not.toContain('\u001b');
  });
});
