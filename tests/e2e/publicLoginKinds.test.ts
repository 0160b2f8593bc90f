import { request } from '../helpers/calls.js';
import { chromium, type HeadlessBrowser, logInAt, startHeadlessBrowser, whyNot } from '../helpers/headlessBrowser.js';
import { type PublicLoginWorld, startPublicLoginWorld } from './publicLoginWorld.js';

const withBrowser = chromium ? describe : describe.skip;
const META = 'io.modelcontextprotocol/';

/** What holds for `mcp-oauth` holds for the credentials whose provider is written down. */
withBrowser(`people who log in at a provider that is written down${whyNot}`, () => {
  let browser: HeadlessBrowser;
  let world: PublicLoginWorld | undefined;

  beforeAll(async () => {
    browser = await startHeadlessBrowser();
  }, 60_000);

  afterEach(() => world?.close());
  afterAll(() => browser?.close());

  async function start(kind: string): Promise<PublicLoginWorld> {
    const common = { kind, clientId: 'by-hand', scope: 'mcp:read' };
    const credential = (issuer: string, resource: string) => ({ ...common, issuer, resource });
    world = await startPublicLoginWorld(['one', 'two'], [], credential);
    return world;
  }

  /** A call of a client of 2026-07-28 that shows addresses. */
  async function calls(
    { drawbridge, callers }: PublicLoginWorld,
    caller: string,
    more: object = {},
  ): Promise<Answered> {
    const _meta = {
      [`${META}protocolVersion`]: '2026-07-28',
      [`${META}clientInfo`]: { name: 'test', version: '1' },
      [`${META}clientCapabilities`]: { elicitation: { url: {} } },
    };
    const params = { name: 'whoami', arguments: {}, _meta, ...more };
    const headers = {
      ...callers[caller],
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'whoami',
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    const answer = await request(`${drawbridge.url}/mcp/tools`, { method: 'POST', headers, body });
    return (JSON.parse(answer.text) as { result: Answered }).result;
  }

  it('authorization-code: by a page of ours at the public address, each for their own caller', async () => {
    const here = await start('authorization-code');
    const address = await here.address('one');
    expect(address.href).toMatch(new RegExp(`^${here.drawbridge.url}/login/[\\w-]{43}$`));
    const page = await browser.person();
    await page.goto(address.href);
    await page.click('main form button');
    await page.waitForSelector('form [type=submit]');
    await logInAt(page, 'ada', here.drawbridge.url);
    expect(await page.$eval('main', ({ textContent }) => textContent)).toContain('You are logged in');
    expect([await here.whoAmI('one'), await here.whoAmI('two')]).toEqual(['ada', 'LOGIN_REQUIRED']);
  }, 60_000);

  it('device-code: by the protocol’s own question, whose repetition waits for the person', async () => {
    const here = await start('device-code');
    const { inputRequests, requestState } = await calls(here, 'one');
    const { params } = inputRequests?.login ?? {};
    expect(params?.url).toMatch(new RegExp(`^${here.provider.url}/device`));
    const code = new URL(params?.url ?? '').searchParams.get('user_code');
    expect(params?.message).toContain(`Enter the code ${code} there.`);
    const inputResponses = { login: { action: 'accept' } };
    const waiting = calls(here, 'one', { requestState, inputResponses });
    expect(await browser.logIn(new URL(params?.url ?? ''), 'grace')).toContain('Sign-in Success');
    expect(await waiting).toMatchObject({ content: [{ text: 'grace' }] });
  }, 60_000);
});

interface Answered {
  readonly requestState?: string;
  readonly inputRequests?: {
    readonly login?: { readonly params?: { readonly url: string; readonly message: string } };
  };
}
