import fs from 'node:fs';
import path from 'node:path';
import { takeOver } from '../../src/credentials/mcpRemoteLogin.js';
import { OAuthMemory } from '../../src/credentials/oauthDocument.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { tempFolder } from '../helpers/tempFolder.js';

const HASH = '0123456789abcdef0123456789abcdef';

describe('what mcp-remote keeps', () => {
  const folder = tempFolder('mcp-remote');
  let count = 0;
  let place: string;

  beforeEach(() => {
    count += 1;
    place = path.join(folder, `auth-${count}`);
  });

  function write(layout: string, what: string, content: object, age = 0): void {
    fs.mkdirSync(path.join(place, layout), { recursive: true });
    const file = path.join(place, layout, `${HASH}_${what}.json`);
    fs.writeFileSync(file, JSON.stringify(content));
    const at = Date.now() / 1000 - age;
    fs.utimesSync(file, at, at);
  }

  const tokens = (name: string, more: object = {}) => ({
    access_token: `access-${name}`,
    token_type: 'Bearer',
    refresh_token: `refresh-${name}`,
    ...more,
  });

  async function taken() {
    const memory = new OAuthMemory(new MemoryVault(), null, 'login', new URL('https://mcp.example.com/mcp'), []);
    await takeOver(memory, { folder: place, hash: HASH });
    return memory.read();
  }

  it.each(['mcp-remote-0.1.29', 'mcp-remote-v1'])('is taken over from %s, with its client', async (layout) => {
    write(layout, 'tokens', tokens('one', { expires_in: 3600 }), 600);
    write(layout, 'client_info', { client_id: 'theirs', redirect_uris: ['http://localhost:4000/oauth/callback'] });
    const read = await taken();
    expect(read.tokens).toMatchObject({ access_token: 'access-one', refresh_token: 'refresh-one' });
    expect(Math.abs(Number(read.tokens?.expiresAt) - (Date.now() + 3_000_000))).toBeLessThan(10_000);
    expect(read.client).toMatchObject({
      information: { client_id: 'theirs' },
      redirectUri: 'http://localhost:4000/oauth/callback',
    });
  });

  it('is the newest of several', async () => {
    write('mcp-remote-0.1.16', 'tokens', tokens('old'), 86_400);
    write('mcp-remote-v1', 'tokens', tokens('new'), 10);
    write('mcp-remote-0.1.29', 'tokens', tokens('middle'), 3600);
    expect((await taken()).tokens?.access_token).toBe('access-new');
  });

  it.each([
    ['seconds', (at: number) => at / 1000],
    ['milliseconds', (at: number) => at],
  ])('ends when the newer layout says, in %s', async (_unit, inUnit) => {
    const at = 1_800_000_000_000;
    write('mcp-remote-v1', 'tokens', tokens('one', { expires_in: 3600, expires_at: inUnit(at) }));
    expect((await taken()).tokens?.expiresAt).toBe(at);
  });

  it('is left where it can’t be renewed, is broken, or is not there', async () => {
    expect((await taken()).tokens).toBeUndefined();
    write('mcp-remote-v1', 'tokens', { access_token: 'a', token_type: 'Bearer' });
    write('mcp-remote-0.1.29', 'tokens', []);
    expect((await taken()).tokens).toBeUndefined();
  });
});
