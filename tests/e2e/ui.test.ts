import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Browser } from 'puppeteer-core';
import { systemClock } from '../../src/core/async.js';
import { uiHeaders, uiPage } from '../../src/edge/ui/page.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { callTool, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { chromium, startChromium, whyNot } from '../helpers/headlessBrowser.js';
import { json, reset, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { openWatched, type WatchedPage } from '../helpers/watchedPage.js';

const EVERYTHING = path.resolve('node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const EVIL = '<img src=x onerror="document.title=1">';
const describeInBrowser = chromium ? describe : describe.skip;

function innocent({ foreign, faults }: WatchedPage): void {
  expect({ foreign, faults }).toEqual({ foreign: [], faults: [] });
}

/** The look of a row's cell: `good`, `warn` or `bad`. */
function look(section: string, name: string): string {
  const row = `[...document.querySelectorAll('#${section} tbody tr')].find((row) => row.textContent.includes(${JSON.stringify(name)}))`;
  return `(${row})?.querySelector('.pill')?.className`;
}

describeInBrowser(`the page at /ui${whyNot}`, () => {
  let browser: Browser;
  let closeBrowser: () => Promise<void>;
  let upstream: Upstream;
  let folder: string;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    ({ browser, close: closeBrowser } = await startChromium());
    upstream = await startUpstream(json({ content: [] }));
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-ui-'));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    upstream.handler = json({ content: [] });
  });
  afterAll(async () => {
    await closeBrowser?.();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(config: object): Promise<Drawbridge> {
    const drawbridge = await startDrawbridge(config);
    closing.push(() => drawbridge.stop());
    return drawbridge;
  }

  /** With keys `ops`, who may do everything, and `viewer`, who may look. */
  async function withKeys() {
    const keyFile = path.join(folder, `keys-${Math.random()}.json`);
    const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
    const ops = (await ring.create({ name: 'ops', roles: ['ops'] })).key;
    const viewer = (await ring.create({ name: 'viewer', roles: ['viewer'] })).key;
    const drawbridge = await start({
      server: { keyFile },
      destinations: { jobs: { kind: 'http', url: upstream.url } },
      identity: { keys: { kind: 'api-key' } },
      permissions: {
        roles: {
          ops: { allow: ['*/*'], admin: ['admin/*'] },
          viewer: { allow: ['*/*'], admin: ['admin/*/read'] },
        },
      },
      resilience: { circuitBreaker: { failures: 1, resetMs: 600_000 }, retry: { attempts: 1 } },
    });
    return { drawbridge, ops, viewer };
  }

  const live = "document.getElementById('status').textContent === 'Live'";

  it('shows a real client’s call as it passes, and the child that answered, on a laptop with nothing configured', async () => {
    const { url } = await start({
      destinations: { everything: { kind: 'stdio', command: process.execPath, args: [EVERYTHING, 'stdio'] } },
    });
    const view = await openWatched(browser, `${url}/ui`);
    await view.until(live);
    expect(await view.rows('destinations')).toEqual(['everything | up | closed | stdio |  | ']);
    const client = new Client({ name: 'ui', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp/everything`)) as Transport);
    closing.push(() => client.close());
    await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    await view.until("document.querySelector('#calls tbody').textContent.includes('tools/call')");
    const [newest] = await view.rows('calls');
    expect(newest).toMatch(/ \| {2}\| everything \| tools\/call \| echo \| 200 \| [\d.]+ ms$/);
    await view.until("document.querySelectorAll('#children tbody tr').length === 1");
    expect((await view.rows('children'))[0]).toMatch(/^\d+ \| everything \| everybody \| \d+ s ago$/);
    expect(await view.page.$$('td button')).toEqual([]);
    innocent(view);
  });

  it('turns a destination that breaks red, and offers to reset its breaker to whoever may', async () => {
    const { drawbridge, ops, viewer } = await withKeys();
    const { url } = drawbridge;
    const [operator, onlooker] = await Promise.all([
      openWatched(browser, `${url}/ui`),
      openWatched(browser, `${url}/ui`),
    ]);
    await operator.show(ops);
    await onlooker.show(viewer);
    for (const view of [operator, onlooker]) await view.until(live);
    await operator.until(`${look('destinations', 'jobs')} === 'pill good'`);
    upstream.handler = reset();
    await callTool(`${url}/mcp/jobs`, 'work', { authorization: `Bearer ${viewer}` });
    for (const view of [operator, onlooker]) {
      await view.until(`${look('destinations', 'jobs')} === 'pill bad'`);
      expect(await view.page.$eval('#status', (status) => status.textContent)).toBe('Down: jobs');
      await view.until(`${look('calls', 'work')} === 'pill bad'`);
    }
    expect((await operator.rows('calls'))[0]).toMatch(/ \| keys:\S+ \| jobs \| tools\/call \| work \| 50\d \w+ \|/);
    expect(await onlooker.page.$$('td button')).toEqual([]);
    upstream.handler = json({ content: [] });
    await operator.page.focus('[aria-label="Reset the breaker of jobs"]');
    await operator.page.keyboard.press('Enter');
    for (const view of [operator, onlooker]) await view.until(`${look('destinations', 'jobs')} !== 'pill bad'`);
    await callTool(`${url}/mcp/jobs`, 'work', { authorization: `Bearer ${viewer}` });
    for (const view of [operator, onlooker]) await view.until(`${look('destinations', 'jobs')} === 'pill good'`);
    for (const view of [operator, onlooker]) innocent(view);
  });

  it('wants to be shown a key, refuses a wrong one, and forgets the right one', async () => {
    const { drawbridge, ops } = await withKeys();
    const view = await openWatched(browser, `${drawbridge.url}/ui`);
    await view.show('made-up');
    await view.until("document.getElementById('status').textContent === 'That token is not known.'");
    await view.show(ops);
    await view.until(live);
    expect(await view.page.evaluate('sessionStorage.length + localStorage.length + document.cookie.length')).toBe(0);
    expect(await view.page.content()).not.toContain(ops);
    await view.page.click('#forget');
    await view.until("document.querySelectorAll('section:not([hidden])').length === 0");
    await view.page.reload();
    await view.page.waitForSelector('#token', { visible: true });
    innocent(view);
  });

  it('goes on by itself after a reload of the configuration, and stops where that took the right away', async () => {
    const { drawbridge, viewer } = await withKeys();
    const view = await openWatched(browser, `${drawbridge.url}/ui`);
    await view.show(viewer);
    await view.until(live);
    process.kill(drawbridge.pid, 'SIGHUP');
    await drawbridge.record(({ signal }) => signal === 'config.reloaded');
    await callTool(`${drawbridge.url}/mcp/jobs`, 'early', { authorization: `Bearer ${viewer}` });
    // The next stream shows what comes after it began.
    await view.until(live);
    const shown = "document.querySelector('#calls tbody').textContent.includes('late')";
    const calls = async () => callTool(`${drawbridge.url}/mcp/jobs`, 'late', { authorization: `Bearer ${viewer}` });
    const timer = setInterval(() => void calls(), 300);
    try {
      await view.until(shown);
    } finally {
      clearInterval(timer);
    }
    const text = await readFile(drawbridge.configFile, 'utf8');
    await writeFile(drawbridge.configFile, text.replace('admin/*/read', 'admin/cache/write'));
    await view.until("document.getElementById('status').textContent === 'You may not see calls.'");
    expect(await view.page.$$('section:not([hidden])')).toEqual([]);
  });

  it('shows a name like <img onerror> as text: of a tool that was called', async () => {
    const { url } = await start({ destinations: { jobs: { kind: 'http', url: upstream.url } } });
    const view = await openWatched(browser, `${url}/ui`);
    await view.until(live);
    await callTool(`${url}/mcp/jobs`, EVIL);
    await callTool(`${url}/mcp`, 'x', { 'x-btp-destination': EVIL });
    await view.until("document.querySelectorAll('#calls tbody tr').length === 2");
    expect((await view.rows('calls')).join('\n')).toContain(EVIL);
    expect(await view.page.$$('img')).toEqual([]);
    innocent(view);
  });

  it('shows a name like <img onerror> as text: in every field of every answer', async () => {
    const row = {
      name: EVIL,
      kind: EVIL,
      url: `javascript:${EVIL}`,
      credential: EVIL,
      tenant: EVIL,
      subject: EVIL,
      destination: EVIL,
      breaker: EVIL,
      id: EVIL,
      pid: EVIL,
      method: EVIL,
      tool: EVIL,
      code: EVIL,
      ...{ status: 500, outcome: EVIL, at: 1, ms: 1, since: 1, lastUsed: 1, obtainedAt: 1, expiresAt: 1 },
    };
    const rights = ['destinations', 'calls', 'tokens', 'sessions', 'children', 'breakers'];
    const permissions = rights.flatMap((one) => [`admin/${one}/read`, `admin/${one}/write`]);
    const server = createServer(({ url: target = '' }, response) => {
      if (target === '/ui') return response.writeHead(200, uiHeaders('bm9uY2U=') as string[]).end(uiPage('bm9uY2U='));
      if (target === '/admin/v1/calls') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return response.write(`event: call\ndata: ${JSON.stringify(row)}\n\n`);
      }
      const who = target === '/admin/v1/whoami';
      return response.end(JSON.stringify(who ? { subject: EVIL, permissions } : { items: [row] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const view = await openWatched(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}/ui`);
    await view.until("document.querySelectorAll('tbody tr').length === 5");
    for (const section of ['destinations', 'calls', 'tokens', 'sessions', 'children']) {
      expect((await view.rows(section))[0]).toContain(EVIL);
    }
    expect(await view.page.$$('img')).toEqual([]);
    expect(await view.page.title()).toBe('Drawbridge');
    innocent(view);
  });

  it.each(['light', 'dark'])('is readable by a phone in the %s: nothing stands over the edge', async (scheme) => {
    const { url } = await start({
      destinations: { 'a-destination-with-a-rather-long-name': { kind: 'http', url: upstream.url } },
    });
    const view = await openWatched(browser, `${url}/ui`);
    await view.page.setViewport({ width: 360, height: 740 });
    await view.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await view.until(live);
    const ground = scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(13, 17, 23)';
    expect(await view.page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(ground);
    expect(await view.page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    innocent(view);
  });
});

describe('what /ui is served with', () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream(json({ content: [] }));
  });
  afterAll(() => upstream.close());

  it('belongs to the people at this machine, and is not there for anybody else', async () => {
    const drawbridge = await startDrawbridge({ destinations: { jobs: { kind: 'http', url: upstream.url } } });
    try {
      const statusOf = async (target: string, headers = {}, method = 'GET') =>
        (await request(drawbridge.url + target, { headers, method })).status;
      expect([await statusOf('/ui'), await statusOf('/admin/v1/destinations')]).toEqual([200, 200]);
      const others = [{ 'x-forwarded-for': '203.0.113.9' }, { forwarded: 'for=203.0.113.9' }];
      for (const headers of others) {
        expect([await statusOf('/ui', headers), await statusOf('/admin/v1/calls', headers)]).toEqual([404, 404]);
      }
      expect(await statusOf('/admin/v1/calls', { 'sec-fetch-site': 'cross-site' })).toBe(404);
      expect(await statusOf('/ui', { origin: 'https://evil.example.com' })).toBe(403);
      expect(await statusOf('/admin/v1/keys')).toBe(404);
      expect(await statusOf('/admin/v1/audit')).toBe(404);
      expect(await statusOf('/admin/v1/breakers/jobs/reset', {}, 'POST')).toBe(404);
      expect(await statusOf('/admin/v1/sessions/x', {}, 'DELETE')).toBe(404);
    } finally {
      await drawbridge.stop();
    }
  });

  it('holds back neither calls nor the end of the process for somebody who looks on and reads nothing', async () => {
    const drawbridge = await startDrawbridge({ destinations: { jobs: { kind: 'http', url: upstream.url } } });
    const socket = connect(drawbridge.port, '127.0.0.1');
    try {
      socket.write('GET /admin/v1/calls HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'readable');
      const tool = 'x'.repeat(190);
      const some = () => Promise.all(Array.from({ length: 50 }, () => callTool(`${drawbridge.url}/mcp/jobs`, tool)));
      for (let round = 0; round < 20; round++) {
        expect((await some()).every(({ status }) => status === 200)).toBe(true);
      }
      expect(await drawbridge.stop()).toEqual({ code: 0, signal: null });
    } finally {
      socket.destroy();
      await drawbridge.stop();
    }
  });

  it.each([
    ['a website passes through the same port', { passthrough: 'site' }, [200, 'a page']],
    ['it is switched off', { ui: false }, [404, undefined]],
  ])('is not there where %s', async (_, server, [status, text]) => {
    upstream.handler = (_seen, response) => void response.end('a page');
    const drawbridge = await startDrawbridge({
      server,
      destinations: { site: { kind: 'passthrough' in server ? 'web' : 'http', url: upstream.origin } },
    });
    try {
      const answer = await request(`${drawbridge.url}/ui`);
      expect([answer.status, status === 200 ? answer.text : text]).toEqual([status, text]);
    } finally {
      await drawbridge.stop();
    }
  });
});
