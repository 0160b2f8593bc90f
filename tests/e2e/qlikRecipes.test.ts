import { type MockClient, type MockQlik, startMockQlik } from '../../src/testing.js';
import { freePort } from './callersWorld.js';
import {
  API_KEY,
  CLIENT_ID,
  logIn,
  officialServer,
  PAGE,
  type People,
  type Running,
  recipe,
  recipes,
  SECRET,
  startPeople,
  startRecipe,
} from './qlikRecipesWorld.js';

const TENANT = 'https://acme.eu.qlikcloud.com';
const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const [ADA, BEN, DEE] = ['auth0|ada', 'auth0|ben', 'auth0|dee'];
const PATIENCE_MS = 60_000;
/** Of an access token. */
const LIFE_MS = 6 * 3_600_000;

/** Each recipe of docs/qlik.md runs in the real program, before a mock of the tenant. */
describe('the recipes of docs/qlik.md', () => {
  const cleanups: (() => unknown)[] = [];
  let people: People;
  /** Who sits at the browser: a user's id. */
  let atBrowser = 'user-ben';
  /** How far the tenant's clock is ahead. Milliseconds. */
  let aheadMs = 0;

  beforeAll(async () => {
    people = await startPeople();
  });

  afterEach(async () => {
    aheadMs = 0;
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  afterAll(() => people?.close());

  async function tenant(client?: Partial<MockClient>, more: object = {}): Promise<MockQlik> {
    const mock = await startMockQlik({
      ...(client ? { clients: [{ id: CLIENT_ID, ...client }] } : {}),
      mcp: officialServer(),
      clock: { now: () => Date.now() + aheadMs },
      get browserUser() {
        return atBrowser;
      },
      ...more,
    });
    cleanups.push(() => mock.close());
    return mock;
  }

  async function run(name: string, mock: MockQlik, more: Record<string, string> = {}, args: string[] = []) {
    const running = await startRecipe(
      name,
      { [TENANT]: mock.origin, 'https://idp.example.com': people.origin, ...more },
      args,
    );
    cleanups.push(() => running.stop());
    return running;
  }

  const as = (subject: string, { drawbridge }: Running, more: object = {}) => people.as(subject, drawbridge.url, more);

  /** A person of the tenant logs in for a caller. */
  async function logInAs(userId: string, running: Running, headers: Record<string, string> = {}) {
    atBrowser = userId;
    return logIn(await running.loginAddress(headers));
  }

  /** At the port that the page names, or rather at a free one. */
  async function ofOnePerson(name: string) {
    const port = String(await freePort());
    const mock = await tenant({ redirectUris: [`http://localhost:${port}/oauth/callback`] });
    return { mock, running: await run(name, mock, {}, ['--browser-auth-port', port]) };
  }

  /** A web client whose redirect URI is the door of the recipe, of which the port is known once it runs. */
  async function ofTeam() {
    const redirectUris: string[] = [];
    const mock = await tenant({ secret: SECRET, redirectUris });
    const running = await run('team', mock);
    redirectUris.push(`${running.drawbridge.url}/oauth/callback`);
    return { mock, running };
  }

  it('are all of them run here', () => {
    const ran = ['person', 'team', 'registration', 'impersonation', 'filtered', 'job', 'people', 'key', 'tenants'];
    expect(recipes).toEqual(ran);
    const fenced = [...PAGE.matchAll(/^```json\n/gm)];
    expect(fenced).toHaveLength(ran.length);
  });

  it(
    'person: one login in a browser, at a client that was registered by hand; renewed without another',
    async () => {
      const { mock, running } = await ofOnePerson('person');
      const { asked, page } = await logInAs('user-ben', running);
      expect([asked.get('client_id'), asked.get('code_challenge_method')]).toEqual([CLIENT_ID, 'S256']);
      expect(page).toContain('You are logged in');
      expect(await running.tool('qlik_search')).toBe(BEN);
      expect(mock.count({ path: '/oauth/register' })).toBe(0);
      aheadMs = LIFE_MS;
      expect(await running.tool('qlik_search')).toBe(BEN);
      expect(mock.count({ path: '/oauth/token', grant: 'refresh_token', status: 200 })).toBe(1);
      const { bearer = '' } = mock.ledger.filter(({ kind, status }) => kind === 'mcp' && status === 200).at(-1) ?? {};
      expect(running.drawbridge.stderr()).not.toContain(bearer);
    },
    PATIENCE_MS,
  );

  it(
    'team: each caller is themselves, and nobody what another logged in for',
    async () => {
      const { mock, running } = await ofTeam();
      const [ada, ben, dee] = await Promise.all([ADA, BEN, DEE].map((subject) => as(subject, running)));
      expect((await logInAs('user-ben', running, ben)).page).toContain('You are logged in');
      await expect(running.tool('qlik_search', {}, dee)).rejects.toThrow();
      expect((await logInAs('user-ada', running, ada)).page).toContain('You are logged in');
      const callers = Array.from({ length: 12 }, (_, index) => (index % 2 ? ada : ben));
      const names = await Promise.all(callers.map((headers) => running.tool('qlik_search', {}, headers)));
      expect(names).toEqual(callers.map((headers) => (headers === ada ? ADA : BEN)));
      expect(mock.count({ kind: 'login', grant: 'authorization_code' })).toBe(2);
      aheadMs = LIFE_MS;
      expect(await running.tool('qlik_search', {}, ben)).toBe(BEN);
      expect(mock.count({ path: '/oauth/token', grant: 'refresh_token', status: 200 })).toBe(1);
      const callersOwn = Object.values({ ...ada, ...ben, ...dee });
      expect(mock.ledger.filter(({ bearer }) => callersOwn.includes(`Bearer ${bearer}`))).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'registration: refused until an administrator has connected, once for everybody',
    async () => {
      const mock = await tenant();
      const running = await run('registration', mock);
      const [ada, ben, dee] = await Promise.all([ADA, BEN, DEE].map((subject) => as(subject, running)));
      expect((await logInAs('user-ben', running, ben)).page).toContain('The login was refused');
      await expect(running.tool('qlik_search', {}, ben)).rejects.toThrow();

      const first = await logInAs('user-ada', running, ada);
      expect(first.page).toContain('You are logged in');
      expect(await running.tool('qlik_search', {}, ada)).toBe(ADA);

      const later = await logInAs('user-ben', running, ben);
      expect(later.page).toContain('You are logged in');
      expect(await running.tool('qlik_search', {}, ben)).toBe(BEN);
      aheadMs = LIFE_MS;
      expect(await running.tool('qlik_search', {}, ben)).toBe(BEN);
      expect(mock.count({ path: '/oauth/token', grant: 'refresh_token', status: 200 })).toBe(1);
      expect((await logInAs('user-dee', running, dee)).asked.get('client_id')).toBe(first.asked.get('client_id'));
      expect(mock.count({ path: '/oauth/register', status: 201 })).toBe(1);
    },
    PATIENCE_MS,
  );

  it(
    'registration: works as soon as the client is let in by other means',
    async () => {
      const mock = await tenant();
      const running = await run('registration', mock);
      const ben = await as(BEN, running);
      const { asked } = await logInAs('user-ben', running, ben);
      mock.approve(asked.get('client_id') ?? '');
      expect((await logInAs('user-ben', running, ben)).page).toContain('You are logged in');
      expect(await running.tool('qlik_search', {}, ben)).toBe(BEN);
    },
    PATIENCE_MS,
  );

  it(
    'impersonation: each caller is themselves without a login, at a server that takes such tokens',
    async () => {
      const mock = await tenant({ secret: SECRET });
      const running = await run('impersonation', mock);
      const [ben, dee] = await Promise.all([BEN, DEE].map((subject) => as(subject, running)));
      const callers = Array.from({ length: 12 }, (_, index) => (index % 2 ? dee : ben));
      const names = await Promise.all(callers.map((headers) => running.tool('qlik_search', {}, headers)));
      expect(names).toEqual(callers.map((headers) => (headers === dee ? DEE : BEN)));
      expect(mock.count({ path: '/oauth/token', status: 200 })).toBe(2);
      expect((await running.ask(await as('auth0|nobody', running))).text).toContain('OAUTH-19: User not found');
    },
    PATIENCE_MS,
  );

  it(
    'person: an administrator connects once, on a machine of their own',
    async () => {
      const [first, second] = [String(await freePort()), String(await freePort())];
      const redirectUris = [first, second].map((port) => `http://localhost:${port}/oauth/callback`);
      const mock = await tenant({ approved: false, redirectUris });
      const theirs = await run('person', mock, {}, ['--browser-auth-port', first]);
      const ours = await run('person', mock, {}, ['--browser-auth-port', second]);
      expect((await logInAs('user-ben', ours)).page).toContain('The login was refused');
      expect((await logInAs('user-ada', theirs)).page).toContain('You are logged in');
      expect((await logInAs('user-ben', ours)).page).toContain('You are logged in');
      expect([await theirs.tool('qlik_search'), await ours.tool('qlik_search')]).toEqual([ADA, BEN]);
    },
    PATIENCE_MS,
  );

  it(
    'filtered: what is left out is in no list, and refused when it is called',
    async () => {
      const { running } = await ofOnePerson('filtered');
      await logInAs('user-ben', running);
      const shown = ['qlik_describe_app', 'qlik_get_fields', 'qlik_get_lineage', 'qlik_list_sheets', 'qlik_search'];
      expect((await running.list()).sort()).toEqual(shown);
      expect(await running.tool('qlik_get_fields')).toBe(BEN);
      for (const hidden of ['qlik_update_script', 'qlik_get_script', 'qlik_get_dataset_schema'])
        await expect(running.tool(hidden)).rejects.toThrow();
    },
    PATIENCE_MS,
  );

  it(
    'job: the client’s own bot, which sees all, reads only, and asks for one token',
    async () => {
      const mock = await tenant({ secret: SECRET });
      const running = await run('job', mock);
      const names = await running.list();
      expect(names).toContain('qlik_evaluate_expression');
      expect(names.filter((name) => /lineage|script|delete|reload$/.test(name))).toEqual([]);
      const found = (await running.tool('qlik_search', { query: '', resourceType: 'app' })) as { data: unknown[] };
      expect(found.data).toHaveLength(3);
      expect(mock.ledger.filter(({ kind }) => kind === 'rest').map(({ who }) => who)).toContain(
        `qlikbot\\${CLIENT_ID}`,
      );
      expect(mock.count({ path: '/oauth/token', grant: 'client_credentials' })).toBe(1);
    },
    PATIENCE_MS,
  );

  it(
    'people: each sees what they may see in the tenant, without a login',
    async () => {
      const mock = await tenant({ secret: SECRET });
      const running = await run('people', mock);
      const seenBy = async (subject: string) => {
        const args = { query: '', resourceType: 'app' };
        const found = await running.tool('qlik_search', args, await as(subject, running));
        return (found as { data: { name: string }[] }).data.map(({ name }) => name).sort();
      };
      expect(await Promise.all([seenBy(BEN), seenBy(DEE)])).toEqual([['Sales'], ['Notes']]);
      const sum = { appId: SALES, expression: 'Sum(Amount)' };
      const ben = await as(BEN, running);
      expect(await running.tool('qlik_evaluate_expression', sum, ben)).toEqual({ value: 18_300 });
      await expect(running.tool('qlik_evaluate_expression', sum, await as(DEE, running))).rejects.toThrow();
      expect(mock.count({ path: '/oauth/token', status: 200 })).toBe(2);
    },
    PATIENCE_MS,
  );

  it(
    'key: the owner of the key, with the tools that the recipe names',
    async () => {
      const mock = await tenant(undefined, { apiKeys: { [API_KEY]: 'user-ben' } });
      const running = await run('key', mock);
      expect(await running.tool('qlik_get', { resource: 'users', id: 'me' })).toMatchObject({ name: 'Ben' });
      const sum = { appId: SALES, expression: 'Sum(Amount)' };
      expect(await running.tool('qlik_evaluate_expression', sum)).toEqual({ value: 18_300 });
      expect(await running.list()).not.toContain('qlik_get_lineage');
      expect(running.drawbridge.stderr()).not.toContain(API_KEY);
      expect(mock.count({ path: '/oauth/token' })).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    'tenants: callers find their own, and no token or answer of one reaches another',
    async () => {
      const [acme, globex] = await Promise.all([tenant({ secret: SECRET }), tenant({ secret: SECRET }, OTHER)]);
      const running = await run('tenants', acme, { 'https://globex.eu.qlikcloud.com': globex.origin });
      const [here, there] = [await as(BEN, running, { org: 'acme' }), await as(BEN, running, { org: 'globex' })];
      const names = async (headers: Record<string, string>, destination: string) => {
        const found = await running.tool('qlik_list', { resource: 'spaces' }, headers, destination);
        return (found as { data: { name: string }[] }).data.map(({ name }) => name);
      };
      const both = Array.from({ length: 8 }, (_, index) =>
        index % 2 ? ([here, 'acme'] as const) : ([there, 'globex'] as const),
      );
      const found = await Promise.all(both.map(([headers, destination]) => names(headers, destination)));
      expect(new Set(found.map((each) => JSON.stringify(each)))).toEqual(
        new Set([JSON.stringify(['Sales', 'Data']), JSON.stringify(['Elsewhere'])]),
      );
      await expect(running.list('globex', here)).rejects.toThrow();
      await expect(running.list('acme', there)).rejects.toThrow();
      const shown = (mock: MockQlik) => new Set(mock.ledger.flatMap(({ bearer }) => bearer ?? []));
      expect([...shown(acme)].filter((bearer) => shown(globex).has(bearer))).toEqual([]);
      expect([shown(acme).size, shown(globex).size]).toEqual([1, 1]);
    },
    PATIENCE_MS,
  );

  it(
    'cost the tenant what the page says, call by call',
    async () => {
      const mock = await tenant(undefined, { apiKeys: { [API_KEY]: 'user-ben' } });
      const running = await run('key', mock);
      const costs = costRows();
      const sum = { expression: 'Sum(Amount)' };
      const cube = { dimensions: ['Region'], measures: ['Sum(Amount)'] };
      const args: Record<string, object> = {
        qlik_search: { query: 'sales' },
        qlik_evaluate_expression: { appId: SALES, ...sum },
        qlik_select_values: { selections: [{ field: 'Region', values: ['North'] }] },
        qlik_create_data_object: cube,
      };
      let handle: unknown;
      const counted: typeof costs = [];
      for (const { call, tool } of costs) {
        mock.forget();
        const by = call.includes('handle') ? { handle } : {};
        const said = await running.tool(tool, { ...(args[tool] ?? { appId: SALES }), ...by });
        if (tool === 'qlik_open_app') ({ handle } = said as { handle: unknown });
        counted.push({ call, tool, requests: mock.count({ kind: 'rest' }), sockets: mock.count({ kind: 'socket' }) });
      }
      expect(costs.length).toBeGreaterThan(8);
      expect(counted).toEqual(costs);
    },
    PATIENCE_MS,
  );

  it('are led to by links that end at a heading', () => {
    const slug = (title = '') =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-');
    const headings = [...PAGE.matchAll(/^#+ (.*)$/gm)].map(([, title]) => slug(title));
    const led = [...PAGE.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => String(anchor));
    expect(led.length).toBeGreaterThan(8);
    expect(led.filter((anchor) => !headings.includes(anchor))).toEqual([]);
  });

  it('shows no secret in a recipe', () => {
    for (const name of recipes) expect(recipe(name)).not.toMatch(/"(?:clientSecret|apiKey)": "(?!\$\{)/);
  });
});

/** What the other tenant holds. */
const OTHER = {
  tenantId: 'globex',
  spaces: [{ id: 'space-else', name: 'Elsewhere', type: 'shared', ownerId: 'user-ben' }],
};

interface Cost {
  readonly call: string;
  readonly tool: string;
  readonly requests: number;
  readonly sockets: number;
}

/** The table of what calls cost. */
function costRows(): Cost[] {
  const [, table = ''] = PAGE.split('| call | REST requests | new engine sockets |\n');
  const rows = table.split('\n\n')[0]?.matchAll(/^\| (`(\w+)`.*?) \| (\d+) \| (\d+) \|$/gm) ?? [];
  return [...rows].map(([, call = '', tool = '', requests, sockets]) => {
    return { call, tool, requests: Number(requests), sockets: Number(sockets) };
  });
}
