import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/core/async.js';
import { BrowserLogins } from '../../src/edge/logins.js';
import { PendingLogins } from '../../src/edge/pendingLogins.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { FakeSignals } from '../helpers/fakes.js';

const PAGE = new URL('https://as.example.com/authorize');

function logins(port?: number): BrowserLogins {
  const options = {
    clock: systemClock,
    signals: new FakeSignals(),
    host: 'localhost',
    path: '/back',
    waitMs: 0,
    present: false,
  };
  const pending = new PendingLogins({ clock: systemClock, vault: new MemoryVault(), shared: false });
  return new BrowserLogins({ ...options, pending, port, pages: () => undefined, open: () => {} });
}

function begin(all: BrowserLogins, uri: URL, state: string) {
  return all.begin(PAGE, uri, state, { owner: null, server: new URL('https://mcp.example.com/mcp'), credential: 'c' });
}

async function somebodyListens(): Promise<http.Server> {
  const server = http.createServer((_request, response) => response.end());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

const portOf = (server: http.Server) => (server.address() as AddressInfo).port;
const back = async (uri: URL, query: string) => (await fetch(`${uri}?${query}`)).status;

describe('people who come back', () => {
  it('to one port each get their own, and it is free after the last', async () => {
    const all = logins();
    const uri = all.redirectUri('a server');
    const [first, second] = await Promise.all([begin(all, uri, 'state-1'), begin(all, uri, 'state-2')]);
    expect(await back(uri, 'state=state-2&code=for-2&iss=https://as')).toBe(200);
    expect(await second?.done).toEqual({ code: 'for-2', iss: 'https://as' });
    expect(await back(uri, 'state=state-2&code=again')).toBe(400);
    expect(await back(uri, 'state=state-1&code=for-1')).toBe(200);
    expect(await first?.done).toEqual({ code: 'for-1' });
    await expect(fetch(uri)).rejects.toThrow();
  });

  it('refused leave the others waiting', async () => {
    const all = logins();
    const uri = all.redirectUri('another server');
    const [first, second] = [await begin(all, uri, 'state-1'), await begin(all, uri, 'state-2')];
    expect(await back(uri, 'state=state-1&error=access_denied')).toBe(400);
    await expect(first?.done).rejects.toThrow('the login was refused: access_denied');
    expect(await back(uri, 'state=state-2&code=for-2')).toBe(200);
    expect(await second?.done).toEqual({ code: 'for-2' });
  });

  it('find another port where somebody listens, and what was registered stays known', async () => {
    const other = await somebodyListens();
    const all = logins();
    const uri = new URL(`http://localhost:${portOf(other)}/back`);
    expect(await begin(all, uri, 'state')).toBeUndefined();
    expect(all.redirectUri('a server', uri.href).href).toBe(uri.href);
    other.close();
  });

  it('are not sent where they would not come back to us, though a client is registered there', async () => {
    const all = logins(4711);
    for (const elsewhere of [
      'https://mcp.example.com/oauth/callback',
      'http://localhost:4712/back',
      'http://localhost:4711/x',
    ]) {
      const uri = all.redirectUri('a server', elsewhere);
      expect(uri.href).toBe(elsewhere);
      expect(await begin(all, uri, 'state')).toBeUndefined();
    }
    expect(all.redirectUri('a server').href).toBe('http://localhost:4711/back');
  });

  it('are told where the one port that may be is taken, and may come when it is free', async () => {
    const other = await somebodyListens();
    const all = logins(portOf(other));
    const uri = all.redirectUri('a server');
    await expect(begin(all, uri, 'state')).rejects.toThrow(`port ${portOf(other)}`);
    await new Promise((resolve) => other.close(resolve));
    const login = await begin(all, uri, 'state');
    expect(await back(uri, 'state=state&code=c')).toBe(200);
    expect(await login?.done).toEqual({ code: 'c' });
  });
});
