import { randomBytes } from 'node:crypto';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Page } from 'puppeteer-core';
import { request } from '../helpers/calls.js';
import { chromium, type HeadlessBrowser, logInAt, startHeadlessBrowser, whyNot } from '../helpers/headlessBrowser.js';
import { type PublicLoginWorld, startPublicLoginWorld } from './publicLoginWorld.js';

const CALLERS = ['one', 'two', 'three', 'four', 'phisher', 'elder', 'younger', 'flood'];

const withBrowser = chromium ? describe : describe.skip;

withBrowser(`people who log in in a browser, at the public address${whyNot}`, () => {
  let world: PublicLoginWorld;
  let browser: HeadlessBrowser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([startPublicLoginWorld(CALLERS, ['--persist']), startHeadlessBrowser()]);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });

  /** A browser that knows nothing of the others. */
  const person = (): Promise<Page> => browser.person();

  const textOf = (page: Page) => page.$eval('main', ({ textContent }) => textContent ?? '');

  /** Says yes on our own page, and ends at the provider's. */
  async function confirm(page: Page): Promise<void> {
    await page.click('main form button');
    await page.waitForSelector('form [type=submit]');
  }

  async function logIn(page: Page, address: URL, user: string): Promise<string> {
    await page.goto(address.href);
    await confirm(page);
    await logInAt(page, user, world.drawbridge.url);
    return textOf(page);
  }

  it('are told by a page of ours, and the call succeeds for its caller, and nobody else', async () => {
    const address = await world.address('one');
    expect(address.href).toMatch(new RegExp(`^${world.drawbridge.url}/login/[\\w-]{43}$`));
    const page = await person();
    const response = await page.goto(address.href);
    expect(response?.headers()).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': expect.stringMatching(
        /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/,
      ),
    });
    const shown = await textOf(page);
    for (const word of [world.upstream.url, new URL(world.provider.url).host, 'keys:']) expect(shown).toContain(word);
    await confirm(page);
    await logInAt(page, 'ada', world.drawbridge.url);
    expect(await textOf(page)).toContain('You are logged in');
    expect(await world.whoAmI('one')).toBe('ada');
    expect(await world.whoAmI('two')).toBe('LOGIN_REQUIRED');
  }, 60_000);

  it('each for their own caller, at the same time', async () => {
    const [two, three] = await Promise.all([world.address('two'), world.address('three')]);
    const [one, other] = [await person(), await person()];
    await logIn(other, three, 'grace');
    await logIn(one, two, 'alan');
    const callers = ['two', 'three', 'one', 'two', 'three'];
    const names = await Promise.all(callers.map((caller) => world.whoAmI(caller)));
    expect(names).toEqual(['alan', 'grace', 'ada', 'alan', 'grace']);
  }, 60_000);

  it('are not logged in for somebody who passes on the address behind the page', async () => {
    const theirs = await person();
    const address = await world.address('phisher');
    await theirs.goto(address.href);
    await confirm(theirs);
    const victim = await person();
    // What the phisher's browser was sent on to, opened by somebody else.
    await victim.goto(theirs.url().includes('/interaction') ? await authorizationOf(address) : theirs.url());
    await logInAt(victim, 'victim', world.drawbridge.url);
    expect(await textOf(victim)).toContain('begun in another browser');
    expect(await world.whoAmI('phisher')).toBe('LOGIN_REQUIRED');
    await world.drawbridge.record(({ signal }) => signal === 'login.foreign');
    // Stolen, then shown by the phisher's own browser: single use is not at stake, the code is the victim's own.
    await logInAt(theirs, 'mallory', world.drawbridge.url);
    expect(await textOf(theirs)).toContain('You are logged in');
    expect(await world.whoAmI('phisher')).toBe('mallory');
    await theirs.goto(theirs.url());
    expect(await textOf(theirs)).toContain('not known here');
  }, 60_000);

  /** The address that the page sends on to, as its caller can read it. */
  async function authorizationOf(page: URL): Promise<string> {
    const answer = await request(page.href, { method: 'POST', headers: { origin: world.drawbridge.url } });
    const url = /http-equiv="refresh" content="0;url=([^"]+)"/.exec(answer.text)?.[1] ?? '';
    return url.replaceAll('&amp;', '&');
  }

  it('say yes on that page only, and come back with a state that is waited for only', async () => {
    const address = await world.address('four');
    const refused = async (init: RequestInit) => (await request(address.href, { method: 'POST', ...init })).status;
    expect(await refused({})).toBe(403);
    expect(await refused({ headers: { origin: 'https://evil.example.com' } })).toBe(403);
    expect(await refused({ headers: { origin: 'http://localhost:1', 'sec-fetch-site': 'cross-site' } })).toBe(403);
    expect(await refused({ method: 'PUT' })).toBe(405);
    const state = new URL(await authorizationOf(address)).searchParams.get('state');
    const back = async (query: string) => (await request(`${world.drawbridge.url}/oauth/callback?${query}`)).status;
    expect(await back(`code=c&state=${randomBytes(32).toString('base64url')}`)).toBe(400);
    expect(await back(`code=c&state=${state}`)).toBe(403);
    expect(await back(`code=c&state=${state}&state=${state}`)).toBe(400);
    expect(await world.whoAmI('four')).toBe('LOGIN_REQUIRED');
    const page = await person();
    expect(await logIn(page, address, 'edsger')).toContain('You are logged in');
    expect(await world.whoAmI('four')).toBe('edsger');
  }, 60_000);

  it('finish over a reload', async () => {
    const address = await world.address('flood');
    process.kill(world.drawbridge.pid, 'SIGHUP');
    await world.drawbridge.record(({ signal }) => signal === 'config.reloaded');
    expect(await logIn(await person(), address, 'barbara')).toContain('You are logged in');
    expect(await world.whoAmI('flood')).toBe('barbara');
  }, 60_000);

  it('are asked by the client of 2025-11-25, which shows the address', async () => {
    const { ElicitRequestSchema } = await import('@modelcontextprotocol/sdk/types.js');
    const capabilities = { elicitation: { url: {} } };
    const client = new LegacyClient({ name: 'elder', version: '1' }, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept' }));
    const requestInit = { headers: world.callers.elder ?? {} };
    const transport = new LegacyTransport(new URL(`${world.drawbridge.url}/mcp/tools`), { requestInit });
    await client.connect(transport as Transport);
    const error = await client.callTool({ name: 'whoami' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: -32042, elicitations: [{ mode: 'url', elicitationId: expect.any(String) }] });
    const { elicitations } = error as { elicitations: { url: string }[] };
    await logIn(await person(), new URL(elicitations[0]?.url ?? ''), 'donald');
    expect(await client.callTool({ name: 'whoami' })).toMatchObject({ content: [{ text: 'donald' }] });
    await client.close();
  }, 60_000);

  it('are asked by the client of 2026-07-28, whose one call waits for them', async () => {
    const asked: unknown[] = [];
    const client = new ModernClient(
      { name: 'younger', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: { url: {} } } },
    );
    let login: Promise<string> | undefined;
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params);
      login ??= person().then((page) => logIn(page, new URL((params as { url: string }).url), 'tony'));
      return { action: 'accept' };
    });
    const requestInit = { headers: world.callers.younger ?? {} };
    await client.connect(new ModernTransport(new URL(`${world.drawbridge.url}/mcp/tools`), { requestInit }));
    expect(await client.callTool({ name: 'whoami', arguments: {} })).toMatchObject({ content: [{ text: 'tony' }] });
    expect(await login).toContain('You are logged in');
    expect(asked).toEqual([expect.objectContaining({ mode: 'url' })]);
    await client.close();
  }, 60_000);

  it('are not kept from it by a flood of strangers', async () => {
    const strange = () =>
      request(`${world.drawbridge.url}/oauth/callback?code=c&state=${randomBytes(32).toString('hex')}`);
    const statuses = await Promise.all(Array.from({ length: 400 }, async () => (await strange()).status));
    expect([...new Set(statuses)].sort()).toEqual([400, 503]);
    expect(await world.whoAmI('one')).toBe('ada');
  }, 60_000);

  it('leave no code, state, token or page in the log', () => {
    const log = world.drawbridge.stderr() + world.drawbridge.stdout();
    expect(log).not.toMatch(/eyJ[\w-]+\.eyJ|[?&](?:code|state)=|code_verifier|\/login\/[\w-]{20}|dbk_/);
  });
});
