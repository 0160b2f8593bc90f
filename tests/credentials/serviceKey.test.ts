import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { ConfigError, CredentialError } from '../../src/core/errors.js';
import kind from '../../src/credentials/serviceKey.js';
import { createRest } from '../../src/wire/rest.js';
import { createTestTls } from '../helpers/certificates.js';
import { startXsuaaLike, XSUAA_CLIENT } from '../helpers/xsuaaLike.js';
import { ask, asksOn, peopleWorld, wanted } from './peopleWorld.js';
import { ASKING, createSource, depsWith, everyPrintOf, FakeRest, issuesOf, rejection } from './world.js';

const origins = ['https://mcp.example.com'];
const { signal } = new AbortController();
const key = (more: object = {}) => ({
  url: 'https://sub.authentication.example.com',
  clientid: 'sb-x!b1|y!b2',
  clientsecret: 'canary$x=',
  ...more,
});

describe('the service-key credential', () => {
  let baseDir: string;
  beforeEach(async () => {
    baseDir = await fs.mkdtemp(path.join(os.tmpdir(), 'key-'));
  });
  afterEach(() => fs.rm(baseDir, { recursive: true }));

  const write = (content: unknown, name = 'key.json') =>
    fs.writeFile(
      path.join(baseDir, name),
      typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
    );

  async function sourceWith(provider = new FakeRest(), more: object = {}) {
    return createSource(kind, { file: 'key.json', origins, ...more }, depsWith({ baseDir, rest: provider.rest }));
  }

  it('sends id and secret in the form, never in Basic', async () => {
    await write(key());
    const provider = new FakeRest();
    await (await sourceWith(provider, { scope: 'x.read' })).acquire(signal, ASKING);
    const [sent] = provider.requests;
    expect(sent?.url).toBe('https://sub.authentication.example.com/oauth/token');
    expect(sent?.headers).not.toHaveProperty('authorization');
    expect(Object.fromEntries(new URLSearchParams(sent?.body))).toEqual({
      grant_type: 'client_credentials',
      scope: 'x.read',
      client_id: 'sb-x!b1|y!b2',
      client_secret: 'canary$x=',
    });
  });

  it('gets a token of an XSUAA that does not decode Basic', async () => {
    const provider = await startXsuaaLike();
    const rest = createRest();
    await write({
      uaa: { url: provider.url, clientid: XSUAA_CLIENT.clientId, clientsecret: XSUAA_CLIENT.clientSecret },
    });
    const source = await createSource(
      kind,
      { file: 'key.json', origins },
      depsWith({ baseDir, rest, clock: systemClock }),
    );
    const token = await source.acquire(signal, ASKING);
    expect(token.expiresAt - token.obtainedAt).toBe(43_199_000);
    rest.close();
    await provider.close();
  });

  it('shows the key’s certificate at certurl, and the new one once the file has it', async () => {
    const { authority, server, client } = createTestTls('xsuaa client');
    const provider = await startXsuaaLike({ tls: server });
    const rest = createRest({ ca: authority.cert });
    const x509 = (pair: { cert: string; key: string }) => ({
      credentials: {
        uaa: {
          clientid: XSUAA_CLIENT.clientId,
          url: 'https://sub.authentication.example.com',
          certurl: provider.url,
          certificate: pair.cert,
          key: pair.key,
          'credential-type': 'x509',
        },
      },
    });
    await write(x509(authority.issue('retired client')));
    const source = await createSource(
      kind,
      { file: 'key.json', origins },
      depsWith({ baseDir, rest, clock: systemClock }),
    );
    expect((await rejection(source.acquire(signal, ASKING))).message).toContain(
      'answered 401: unauthorized: Bad credentials',
    );
    await write(x509(client));
    expect((await source.acquire(signal, ASKING)).value.split('.')).toHaveLength(3);
    expect(provider.requests.map(({ certificate }) => certificate)).toEqual(['retired client', 'xsuaa client']);
    rest.close();
    await provider.close();
  });

  it('sees a rotated key, and names the file when the new one is broken', async () => {
    await write(key());
    const provider = new FakeRest();
    const source = await sourceWith(provider);
    await write(key({ clientsecret: 'rotated-and-longer' }), 'next.json');
    await fs.rename(path.join(baseDir, 'next.json'), path.join(baseDir, 'key.json'));
    await source.acquire(signal, ASKING);
    expect(provider.requests[0]?.body).toContain('client_secret=rotated-and-longer');
    await write('{"clientsecret": "canary", ');
    const error = await rejection(source.acquire(signal, ASKING));
    expect(error).toBeInstanceOf(CredentialError);
    expect(error.message).toBe('the service key key.json is not a JSON object');
    expect(everyPrintOf(error)).not.toContain('canary');
    await fs.rm(path.join(baseDir, 'key.json'));
    expect((await rejection(source.acquire(signal, ASKING))).message).toBe(
      'the service key key.json cannot be read (ENOENT)',
    );
    expect(provider.requests).toHaveLength(1);
  });

  it('reads UTF-8 and UTF-16 with their marks', async () => {
    for (const content of [
      `\ufeff${JSON.stringify(key())}`,
      Buffer.from(`\ufeff${JSON.stringify(key())}`, 'utf16le'),
    ]) {
      await write(content);
      expect((await sourceWith()).renewable).toBe(true);
    }
  });

  it.each<[string, unknown, string]>([
    ['no JSON', 'Getting key …\n{canary', 'is not a JSON object'],
    ['an array', [], 'is not a JSON object'],
    ['no client', { url: 'https://a' }, 'has no clientid'],
    ['no uaa', { clientid: 'a', clientsecret: 'canary' }, 'has no uaa url'],
    ['a url of another kind', key({ url: 'file:///etc/passwd' }), 'has no uaa url'],
    ['no secret', key({ clientsecret: undefined }), 'has neither a clientsecret nor certificate, key and certurl'],
    [
      'half of x509',
      key({ 'credential-type': 'x509', certificate: 'canary' }),
      'has neither a clientsecret nor certificate, key and certurl',
    ],
    ['too much', `{"a": "${'canary'.repeat(50_000)}"}`, 'is larger than 262144 bytes'],
  ])('refuses the start over a key with %s', async (_name, content, message) => {
    await write(content);
    const error = await rejection(sourceWith());
    expect(error).toBeInstanceOf(ConfigError);
    expect(everyPrintOf(error)).not.toContain('canary');
    expect((error as ConfigError).faults).toEqual([
      {
        file: 'key.json',
        path: '',
        message: `the service key key.json ${message}`,
        hint: expect.stringMatching(/\.$/),
        severity: 'fault',
      },
    ]);
  });

  it('refuses the start over a key that is not there, or is a folder', async () => {
    const missing = await rejection(sourceWith());
    await fs.mkdir(path.join(baseDir, 'key.json'));
    const folder = await rejection(sourceWith());
    expect([missing.message, folder.message]).toEqual([
      'key.json:: the service key key.json cannot be read (ENOENT)',
      'key.json:: the service key key.json is not a file',
    ]);
  });

  it('sends a person to the XSUAA of the key, and brings the code with the id and secret in the form', async () => {
    await write({ uaa: key(), url: 'https://id.abap.eu10.hana.ondemand.com' });
    const here = peopleWorld('service-key', { file: 'key.json', grant: 'authorization-code' }, { baseDir });
    const source = await here.source();
    await wanted(source);
    const { address, redirectUri } = here.desk.last;
    expect(address.href).toMatch(/^https:\/\/sub\.authentication\.example\.com\/oauth\/authorize\?/);
    expect(redirectUri.href).toBe('http://localhost:3333/oauth/callback');
    here.desk.last.resolve({ code: 'the-code' });
    expect(await asksOn(source)).toBe('token-1');
    expect(here.provider.requests.at(-1)?.url).toBe('https://sub.authentication.example.com/oauth/token');
    expect(here.provider.form(-1)).toMatchObject({ code: 'the-code', client_secret: 'canary$x=' });
    await write({ uaa: key({ clientsecret: 'rotated-and-longer' }) });
    here.deps.clock.time += 12 * 3_600_000;
    expect(await ask(source)).toBe('token-2');
    expect(here.provider.form(-1).client_secret).toBe('rotated-and-longer');
    await write({ uaa: key({ clientid: 'another-client-altogether' }) });
    await wanted(source);
  });

  describe('and a session of mcp-abap-adt-proxy', () => {
    const session = (lines: readonly string[]) =>
      fs.writeFile(path.join(baseDir, 'sessions', 'trial.env'), lines.map((line) => `XSUAA_${line}`).join('\n'));
    const jwt = (exp: number) => `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.s`;
    const options = { file: 'service-keys/trial.json', grant: 'authorization-code' };
    const world = (more: object = {}) => peopleWorld('service-key', { ...options, ...more }, { baseDir });

    beforeEach(async () => {
      for (const folder of ['service-keys', 'sessions']) await fs.mkdir(path.join(baseDir, folder));
      await write({ uaa: key() }, 'service-keys/trial.json');
    });

    it('goes on with its refresh token, asking nobody, and never writes there', async () => {
      await session(['JWT_TOKEN=old', 'REFRESH_TOKEN=refresh-0']);
      const file = path.join(baseDir, 'sessions', 'trial.env');
      const before = await fs.readFile(file, 'utf8');
      const here = world();
      expect(await ask(await here.source())).toBe('token-1');
      expect(here.provider.form(-1)).toMatchObject({ refresh_token: 'refresh-0', client_secret: 'canary$x=' });
      here.deps.clock.time += 12 * 3_600_000;
      expect(await ask(await here.source())).toBe('token-2');
      expect([here.desk.begun, await fs.readFile(file, 'utf8')]).toEqual([[], before]);
    });

    it('serves with a token that is still good, to its end', async () => {
      const here = world();
      const token = jwt(here.deps.clock.time / 1000 + 600);
      await session([`JWT_TOKEN=${token}`]);
      const source = await here.source();
      expect(await ask(source)).toBe(token);
      here.deps.clock.time += 600_000;
      await wanted(source);
    });

    it('takes it once: not after a logout, and not again where it is refused', async () => {
      await session(['REFRESH_TOKEN=refresh-0']);
      const here = world();
      const source = await here.source();
      expect(await ask(source)).toBe('token-1');
      expect(await source.logout?.(null)).toMatchObject({ held: true });
      await wanted(source);
      const other = world();
      await session(['REFRESH_TOKEN=used-up']);
      await wanted(await other.source());
      await wanted(await other.source());
      expect(other.provider.grants).toEqual(['refused']);
    });

    it.each([
      [
        'another client',
        ['REFRESH_TOKEN=refresh-0', 'UAA_URL=https://sub.authentication.example.com', 'UAA_CLIENT_ID=x'],
      ],
      ['another XSUAA', ['REFRESH_TOKEN=refresh-0', 'UAA_URL=https://evil.example.com', 'UAA_CLIENT_ID=sb-x!b1|y!b2']],
    ])('shows no refresh token of %s', async (_, lines) => {
      await session(lines);
      const here = world();
      await wanted(await here.source());
      expect(here.provider.requests).toEqual([]);
    });

    it('is nobody else’s: callers log in themselves, and so does who asks for a scope', async () => {
      await session(['REFRESH_TOKEN=refresh-0']);
      const callers = world({ for: 'caller' });
      await wanted(await callers.source(), { owner: { subject: 'ada' } });
      const scoped = world({ scope: 'x.read' });
      await wanted(await scoped.source());
      expect([...callers.provider.requests, ...scoped.provider.requests]).toEqual([]);
    });
  });

  it('with a certificate sends people to the uaa itself, and asks for tokens at its certurl', async () => {
    const [certificate, certurl] = ['PEM', 'https://sub.authentication.cert.example.com'];
    await write(key({ clientsecret: undefined, certificate, key: 'PEM', certurl }));
    const here = peopleWorld('service-key', { file: 'key.json', grant: 'authorization-code' }, { baseDir });
    const source = await here.source();
    await wanted(source);
    expect(here.desk.last.address.host).toBe('sub.authentication.example.com');
    here.desk.last.resolve({ code: 'the-code' });
    await asksOn(source);
    expect(here.provider.requests.at(-1)).toMatchObject({
      url: `${certurl}/oauth/token`,
      tls: { cert: 'PEM', key: 'PEM' },
    });
  });

  it('knows the grants of an application and of a person', () => {
    expect(issuesOf(kind, { file: 'a', grant: 'password', origins })).toHaveLength(1);
    expect(issuesOf(kind, { file: 'a', grant: 'authorization-code', for: 'caller', origins })).toEqual([]);
    expect(issuesOf(kind, { file: 'a', for: 'caller', origins })).toEqual([
      'for: must be gateway where no person logs in',
    ]);
    expect(issuesOf(kind, { file: 'a', origins: [] })).toHaveLength(1);
  });
});
