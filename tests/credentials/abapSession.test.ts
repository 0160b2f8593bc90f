import fs from 'node:fs';
import path from 'node:path';
import { readAbapSession } from '../../src/credentials/abapSession.js';
import { tempFolder } from '../helpers/tempFolder.js';

const NOW = Date.parse('2026-11-21T00:00:00Z');
const jwt = (exp?: number) => `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.signature`;
const GOOD = jwt(NOW / 1000 + 600);
const ENDED = jwt(NOW / 1000 - 1);

describe('a session of mcp-abap-adt-proxy', () => {
  const folder = tempFolder('abap');
  const write = (name: string, lines: readonly string[], ending = '.env') =>
    fs.writeFileSync(path.join(folder, name + ending), lines.join('\n'));
  const read = (name: string) => readAbapSession(folder, name, NOW);

  it('is read with all that it says', async () => {
    write('trial', [
      '# written by mcp-abap-adt-proxy',
      'XSUAA_MCP_URL=https://mcp.example.com/base',
      `XSUAA_JWT_TOKEN=${GOOD}`,
      'XSUAA_REFRESH_TOKEN="canary-refresh"',
      'XSUAA_UAA_URL=https://t.authentication.eu10.hana.ondemand.com',
      'XSUAA_UAA_CLIENT_ID=sb-client!t1',
      "XSUAA_UAA_CLIENT_SECRET='canary=secret$'",
    ]);
    const before = fs.statSync(path.join(folder, 'trial.env')).mtimeMs;
    const session = await read('trial');
    expect(session).toMatchObject({ dialect: 'xsuaa', token: { expiresAt: NOW + 600_000 } });
    expect(session?.token?.value.reveal()).toBe(GOOD);
    expect(session?.refreshToken?.reveal()).toBe('canary-refresh');
    expect(session?.uaa?.clientSecret?.reveal()).toBe('canary=secret$');
    expect([session?.uaa?.url.host, session?.uaa?.clientId]).toEqual([
      't.authentication.eu10.hana.ondemand.com',
      'sb-client!t1',
    ]);
    expect(session?.url?.href).toBe('https://mcp.example.com/base');
    expect(JSON.stringify(session)).not.toContain('canary');
    expect(fs.statSync(path.join(folder, 'trial.env')).mtimeMs).toBe(before);
  });

  it.each([
    ['sap', 'SAP_', 'SAP_URL'],
    ['btp', 'BTP_', 'BTP_URL'],
  ])('is read in the words of %s', async (dialect, prefix, url) => {
    write(dialect, [`${prefix}JWT_TOKEN=${GOOD}`, `${url}=https://my.example.com`]);
    expect(await read(dialect)).toMatchObject({ dialect, url: new URL('https://my.example.com') });
  });

  it('is a refresh token alone where the other has ended, as those since 5.0 are without a client', async () => {
    write('ended', [`XSUAA_JWT_TOKEN=${ENDED}`, 'XSUAA_REFRESH_TOKEN=r']);
    const session = await read('ended');
    expect(Object.keys(session ?? {}).sort()).toEqual(['dialect', 'refreshToken']);
  });

  it.each<[string, () => void]>([
    ['is not there', () => {}],
    ['holds nothing that serves', () => write('none', [`SAP_JWT_TOKEN=${ENDED}`, 'SAP_URL=https://my.example.com'])],
    ['holds a password only', () => write('none', ['SAP_USERNAME=u', 'SAP_PASSWORD=p'])],
    ['holds a token that says no end', () => write('none', [`SAP_JWT_TOKEN=${jwt()}`])],
    ['holds garbage', () => write('none', ['SAP_JWT_TOKEN=a.b.c', '\0\0=\u0001'])],
    ['is too large', () => write('none', [`SAP_JWT_TOKEN=${GOOD}`, `X=${'x'.repeat(70_000)}`])],
    ['is a folder', () => fs.mkdirSync(path.join(folder, 'none.env'))],
  ])('is none where the file %s', async (_what, make) => {
    fs.rmSync(path.join(folder, 'none.env'), { force: true, recursive: true });
    make();
    expect(await read('none')).toBeUndefined();
  });

  it('is looked for in its folder alone, and is no template', async () => {
    write('model', [`SAP_JWT_TOKEN=${GOOD}`], '.env.template');
    fs.mkdirSync(path.join(folder, 'inner'));
    for (const name of ['model', '../trial', 'inner/../trial', '..', '']) expect(await read(name)).toBeUndefined();
  });
});
