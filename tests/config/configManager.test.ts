import path from 'node:path';
import type { ConfigError } from '../../src/core/errors.js';
import { kinds } from '../../src/kinds.js';
import { faultsOf, load, placesOf } from './loadConfig.js';

const API = 'https://api.example.com/mcp';
const NAME = 'mcp-proxy-config.json';

/** A file with one http destination, and what else is given. */
function config(more: object = {}): object {
  return { destinations: { api: { kind: 'http', url: API } }, ...more };
}

describe('a plain file', () => {
  it('is found in the working folder and gets every default', async () => {
    const settings = await load({ files: { [NAME]: config() } });
    expect(settings.server).toEqual({
      host: '127.0.0.1',
      port: 3001,
      trustedProxies: [],
      allowedHosts: [],
      allowedOrigins: [],
      maxBodyBytes: 4194304,
      drainMs: 10000,
      ui: true,
    });
    expect(settings.resilience).toEqual({
      connectMs: 5000,
      firstByteMs: 300000,
      idleMs: 300000,
      retry: { attempts: 3, baseMs: 100, maxMs: 10000, unsafe: false },
      circuitBreaker: { failures: 5, resetMs: 30000, per: [] },
      resultCache: { enabled: false, maxBytes: 67108864, maxEntries: 10000, legacyTtlMs: {} },
    });
    const metrics = { enabled: true, maxDestinations: 500, maxTools: 50, maxTenants: 100 };
    expect(settings.telemetry).toEqual({ logLevel: 'info', logLevels: {}, metrics });
    expect(settings.destinations.get('api')).toMatchObject({ kind: 'http', options: { url: API } });
    expect(settings.forced).toEqual({});
    expect(settings.notices).toEqual([]);
  });

  it('yields to the environment, and that to flags', async () => {
    const files = { [NAME]: config({ server: { host: 'localhost', port: 1 }, telemetry: { logLevel: 'warn' } }) };
    const env = { MCP_HTTP_PORT: '2', LOG_LEVEL: 'WARNING', MCP_PROXY_MAX_RETRIES: '4', MCP_PROXY_REQUEST_TIMEOUT: '' };
    expect((await load({ files })).server).toMatchObject({ host: 'localhost', port: 1 });
    const second = await load({ files, env });
    expect(second.server).toMatchObject({ host: 'localhost', port: 2 });
    expect(second.resilience).toMatchObject({ firstByteMs: 300000, retry: { attempts: 5 } });
    expect(second.telemetry.logLevel).toBe('warn');
    const third = await load({ files, env, flags: { port: '0', debug: true, allowedHosts: 'A.example.com, b:1' } });
    expect(third.server).toMatchObject({ host: 'localhost', port: 0, allowedHosts: ['a.example.com', 'b:1'] });
    expect(third.telemetry.logLevel).toBe('debug');
  });

  it('may stand in the user folder, in YAML', async () => {
    const file = 'home/.config/mcp-drawbridge/mcp-proxy-config.yaml';
    const settings = await load({ files: { [file]: `destinations:\n  api: { kind: http, url: "${API}" }\n` } });
    expect([...settings.destinations.keys()]).toEqual(['api']);
    expect(settings.files.map((name) => name.slice(name.indexOf('home')))).toEqual([
      file,
      'home/.config/mcp-abap-adt/service-keys',
    ]);
  });

  it('is preferred in the working folder', async () => {
    const files = {
      'home/.config/mcp-drawbridge/mcp-proxy-config.json': '{',
      'mcp-proxy-config.yml': 'destinations: {}',
    };
    expect((await load({ files })).notices).toEqual([
      'mcp-proxy-config.yml:destinations, line 1: warning: there is no destination, so every call is refused',
    ]);
  });

  it('must be somewhere', async () => {
    const faults = await faultsOf({});
    expect(placesOf(faults)).toEqual(['flags:--config']);
    expect(faults[0]?.message).toMatch(/no configuration was found: looked for .*work\/mcp-proxy-config\.json and /);
  });

  it('must be there when it is named', async () => {
    const faults = await faultsOf({ flags: { config: 'nowhere.json', overlay: ['none.json'] } });
    expect(placesOf(faults)).toEqual(['flags:--config', 'flags:--overlay']);
    expect(faults[0]?.message).toMatch(/nowhere\.json doesn't exist$/);
  });
});

describe('faults', () => {
  const text = `{
    "sever": {},
    "server": { "prot": 1, "port": "many", "host": 5, "trustedProxies": ["10.0.0.0/33"], "allowedOrigins": ["https://*.example.com"] },
    // A comment, and trailing commas.
    "destinations": {
      "a": { "kind": "htpp" },
      "b": { "kind": "toolset", "toolset": "x" },
      "c": { "kind": "http", "url": "nowhere", "credntial": "k" },
      "d": { "kind": "http", "url": "https://d.example.com/mcp", "credential": "kye" },
      "sse": { "kind": "http", "url": "https://e.example.com/mcp" },
      "f": { "url": "https://f.example.com", "credential": "key" },
      "g": { "kind": "http", "url": "https://g.example.com:8443/mcp", "credential": "key" },
      "constructor": { "kind": "constructor" },
    },
    "credentials": { "key": { "kind": "static", "token": "t", "origins": ["https://g.example.com"] } },
    "resilience": { "retry": { "atempts": 3, "unsafe": "yes" } },
    "identity": { "keys": { "kind": "api-kye" } }, "events": { "sources": {} },
  }`;

  it('come all at once, each with its place, line and hint', async () => {
    const faults = await faultsOf({ files: { 'c.json': text }, flags: { config: 'c.json' } });
    expect(faults.every(({ file, severity }) => file === 'c.json' && severity === 'fault')).toBe(true);
    const told = faults.map(({ path, line, message, hint }) => `${line} ${path}: ${message} (${hint})`);
    const list = 'Known: http, sse, stdio, web, federation, toolset, service-key, btp-destination, demo.';
    const unlisted = (name: string) =>
      `credential "key" does not list the origin ${name} (Add it to credentials.key.origins, if ${name} may see that credential.)`;
    expect(told).toEqual([
      '2 sever: is not a known key (did you mean "server"?)',
      '3 server.host: must be string, not number (undefined)',
      '3 server.port: must be a whole number (undefined)',
      '3 server.trustedProxies.0: must be an IP address, or a network such as 10.0.0.0/8 (undefined)',
      '3 server.allowedOrigins.0: must be an origin such as https://app.example.com, without a path (undefined)',
      '3 server.prot: is not a known key (did you mean "port"?)',
      '6 destinations.a.kind: kind "htpp" is unknown (did you mean "http"?)',
      `7 destinations.b.toolset: toolset "x" is unknown (Known: ${Object.keys(kinds.toolsets).join(', ')}.)`,
      '8 destinations.c.url: must be an absolute http or https URL without user or password (undefined)',
      '8 destinations.c.credntial: is not a known key (did you mean "credential"?)',
      '9 destinations.d.credential: there is no credential "kye" (did you mean "key"?)',
      expect.stringMatching(/^10 destinations\.sse: a name is up to 64 ASCII letters/),
      `11 destinations.f.kind: is required (${list})`,
      `11 destinations.f.url: ${unlisted('https://f.example.com')}`,
      `12 destinations.g.url: ${unlisted('https://g.example.com:8443')}`,
      `13 destinations.constructor.kind: kind "constructor" is unknown (${list})`,
      expect.stringMatching(/^16 resilience\.retry\.unsafe: must be one of "true"\|"false"/),
      '16 resilience.retry.atempts: is not a known key (did you mean "attempts"?)',
      '17 events: is not in this version yet (Leave it out: nothing would enforce it.)',
      '17 identity.keys.kind: kind "api-kye" is unknown (did you mean "api-key"?)',
    ]);
  });

  it('of the command line name the flag', async () => {
    const flags = { port: 'x', logLevel: 'loud', transport: 'stdio', header: ['no header', 'x: a\nb'], url: 'ftp://x' };
    const faults = await faultsOf({ files: { [NAME]: config() }, flags });
    expect(placesOf(faults).sort()).toEqual([
      'flags:--header',
      'flags:--header',
      'flags:--log-level',
      'flags:--port',
      'flags:--transport',
      'flags:--url',
    ]);
  });

  it('come with the files that were read, so that a repair of any of them can be seen', async () => {
    const files = { [NAME]: config({ server: { publicUrl: `\${file:url.txt}`, prot: 1 } }), 'url.txt': 'nothing' };
    const error = await load({ files }).catch((reason: unknown) => reason);
    const names = (error as ConfigError).files.map((file) => path.basename(file));
    expect(names).toEqual([NAME, 'url.txt', 'service-keys']);
  });

  it('of the environment name the variable', async () => {
    const env = { MCP_HTTP_PORT: '70000', MCP_TRANSPORT: 'stdio' };
    const faults = await faultsOf({ files: { [NAME]: config() }, env });
    expect(placesOf(faults).sort()).toEqual(['environment:MCP_HTTP_PORT', 'environment:MCP_TRANSPORT']);
    expect(
      (await load({ files: { [NAME]: config() }, env: { MCP_TRANSPORT: 'sse' }, flags: { transport: 'http' } }))
        .notices,
    ).toEqual([]);
  });

  it('say that a default destination or a passthrough leads nowhere', async () => {
    const wrong = config({ server: { defaultDestination: 'apo', passthrough: 'api' } });
    const faults = await faultsOf({ files: { [NAME]: wrong } });
    expect(faults.map(({ message }) => message)).toEqual([
      'there is no destination "apo"',
      'destination "api" is not of kind "web"',
    ]);
  });
});

describe('members of a federation', () => {
  const members = (given: unknown, others: object = {}) => ({
    destinations: {
      a: { kind: 'http', url: 'https://a.example.com/mcp' },
      site: { kind: 'web', url: 'https://site.example.com' },
      all: { kind: 'federation', members: given },
      ...others,
    },
  });
  const messagesOf = async (given: unknown, others?: object) =>
    (await faultsOf({ files: { [NAME]: members(given, others) } })).map(({ path: at, message }) => `${at} ${message}`);

  it.each<[string, unknown, string[]]>([
    ['is not there', ['a', 'b'], ['destinations.all.members.1 there is no destination "b"']],
    ['is not there, by name', { a: {}, c: {} }, ['destinations.all.members.c there is no destination "c"']],
    ['is a website', ['site'], ['destinations.all.members.0 destination "site" is of kind "web"']],
    ['is itself', ['a', 'all'], ['destinations.all.members.1 "all" is a member of itself']],
    ['is none', [], ['destinations.all.members must name a destination']],
  ])('one that %s', async (_, given, messages) => {
    expect(await messagesOf(given)).toEqual(messages);
  });

  it('that leads back is told where it is written', async () => {
    const others = { x: { kind: 'federation', members: ['y'] }, y: { kind: 'federation', members: { all: {} } } };
    expect(await messagesOf(['a', 'x'], others)).toEqual([
      'destinations.all.members.1 "x" leads back to "all" (x → y → all)',
      'destinations.x.members.0 "y" leads back to "x" (y → all → x)',
      'destinations.y.members.all "all" leads back to "y" (all → x → y)',
    ]);
  });

  it('may be a federation, and two must not have one prefix', async () => {
    await expect(
      load({ files: { [NAME]: members(['a', 'x'], { x: { kind: 'federation', members: ['a'] } }) } }),
    ).resolves.toBeDefined();
    const others = {
      'a.b': { kind: 'http', url: 'https://b.example.com' },
      a_b: { kind: 'http', url: 'https://c.example.com' },
    };
    expect(await messagesOf(['a.b', 'a_b'], others)).toEqual([
      'destinations.all.members two members have the same prefix: give one of them another with `as`',
    ]);
  });
});

describe('overlays', () => {
  it('are merged in order: objects merge, the rest replaces, null removes (RFC 7396)', async () => {
    const settings = await load({
      files: {
        [NAME]: config({
          server: { port: 1, allowedHosts: ['a', 'b'], publicUrl: null },
          telemetry: { logFormat: 'json' },
        }),
        'one.json': { server: { port: 2, allowedHosts: ['c'] }, telemetry: null },
        'two.yaml':
          'server: { port: 3 }\ndestinations: { api: null, other: { kind: http, url: "https://o.example.com/" } }\n',
      },
      flags: { overlay: ['one.json', 'two.yaml'] },
    });
    expect(settings.server).toMatchObject({ port: 3, allowedHosts: ['c'] });
    expect(settings.telemetry).toMatchObject({ logLevel: 'info' });
    expect(settings.telemetry).not.toHaveProperty('logFormat');
    expect([...settings.destinations.keys()]).toEqual(['other']);
    expect(settings.files).toHaveLength(4);
  });

  it('own the faults that they bring', async () => {
    const files = { [NAME]: config({ server: { host: 5 } }), 'over.yaml': 'server:\n  # Why.\n  port: -1\n' };
    const faults = await faultsOf({ files, flags: { overlay: ['over.yaml'] } });
    expect(faults.map(({ file, path, line }) => [file, path, line])).toEqual([
      [NAME, 'server.host', 9],
      ['over.yaml', 'server.port', 3],
    ]);
  });

  it('silence an unresolved reference that they replace', async () => {
    const files = { [NAME]: config({ server: { host: `\${UNSET}` } }), 'over.json': { server: { host: 'localhost' } } };
    expect((await load({ files, flags: { overlay: ['over.json'] } })).server.host).toBe('localhost');
    expect(placesOf(await faultsOf({ files }))).toEqual([`${NAME}:server.host`]);
  });
});

describe('who may call', () => {
  it('is anybody where * is written, and * is no part of a pattern', async () => {
    const server = { allowedHosts: ['*'], allowedOrigins: ['*'] };
    expect((await load({ files: { [NAME]: config({ server }) } })).server).toMatchObject(server);
    const patterns = { allowedHosts: ['*.example.com'], allowedOrigins: ['https://*.example.com'] };
    expect(placesOf(await faultsOf({ files: { [NAME]: config({ server: patterns }) } }))).toEqual([
      `${NAME}:server.allowedHosts.0`,
      `${NAME}:server.allowedOrigins.0`,
    ]);
  });
});

describe('flags without an effect here', () => {
  it('are told', async () => {
    const flags = { httpJsonResponse: true, httpEnableDnsProtection: true, sseHost: 'localhost', ssePort: '3002' };
    const { notices } = await load({ files: { [NAME]: config() }, flags });
    expect(notices).toHaveLength(4);
    for (const flag of ['--http-json-response', '--http-enable-dns-protection', '--sse-host', '--sse-port'])
      expect(notices.join('\n')).toContain(`flags:${flag}: warning: has no effect`);
  });
});

describe('the transport', () => {
  it('sse adds a door at the root, whatever else is served', async () => {
    const files = { [NAME]: config() };
    expect((await load({ files, flags: { transport: 'sse' } })).forced).toEqual({ sseAtRoot: true });
    expect((await load({ files, flags: { transport: 'http' } })).forced).toEqual({});
  });
});

describe("a tenant's credential", () => {
  it('believes no identity that is not there', async () => {
    const client = { clientId: 'c', clientSecret: 's', scope: 'user_default' };
    const q = {
      kind: 'qlik',
      tenant: new URL(API).origin,
      auth: 'impersonation',
      for: 'caller',
      ...client,
      identity: ['sso', 'ss'],
    };
    const identity = { sso: { kind: 'jwt', issuer: API, audience: 'a' } };
    const faults = await faultsOf({ files: { [NAME]: { credentials: { q }, identity } } });
    expect(faults).toMatchObject([
      { path: 'credentials.q.identity.1', message: 'there is no identity "ss"', hint: 'did you mean "sso"?' },
    ]);
  });

  it('is not led to another tenant', async () => {
    const tenant = 'https://acme.eu.qlikcloud.com';
    const config = (url: string, more: object = {}) => ({
      destinations: { q: { kind: 'http', url, credential: 'q' } },
      credentials: { q: { kind: 'qlik', tenant, auth: 'api-key', apiKey: 'k', ...more } },
    });
    const other = 'https://other.eu.qlikcloud.com';
    await load({ files: { 'mcp-proxy-config.json': config(`${tenant}/api/ai/mcp`) } });
    await load({ files: { 'mcp-proxy-config.json': config(`${other}/mcp`, { origins: [other] }) } });
    const [fault] = await faultsOf({ files: { 'mcp-proxy-config.json': config(`${other}/mcp`) } });
    expect(fault?.message).toBe(`credential "q" does not list the origin ${other}`);
  });
});

describe('the forced target', () => {
  it('is a destination of its own when only a URL is named', async () => {
    const settings = await load({ flags: { url: API, header: ['Authorization: Bearer t'] } });
    expect(settings.forced).toEqual({ destination: 'target' });
    expect(settings.destinations.get('target')).toMatchObject({ kind: 'http', options: { url: API } });
    expect(settings.defaultHeaders).toEqual([['authorization', 'Bearer t']]);
  });

  it('replaces the URL of the destination that is named with it', async () => {
    const flags = { destination: 'api', url: 'http://localhost:9/mcp' };
    const settings = await load({ files: { [NAME]: config() }, flags });
    expect(settings.destinations.get('api')?.options.url).toBe('http://localhost:9/mcp');
    expect(settings.forced).toEqual({ destination: 'api' });
  });

  it('may not lead a credential to an origin that it does not list', async () => {
    const key = { kind: 'static', token: 't', origins: ['https://api.example.com'] };
    const files = {
      [NAME]: { destinations: { api: { kind: 'http', url: API, credential: 'key' } }, credentials: { key } },
    };
    await load({ files, flags: { destination: 'api', url: 'https://api.example.com/other' } });
    const faults = await faultsOf({ files, flags: { destination: 'api', url: 'https://evil.example.com/' } });
    expect(placesOf(faults)).toEqual(['flags:--url']);
    expect(placesOf(await faultsOf({ files, flags: { header: ['authorization=Bearer x'] } }))).toEqual([
      'flags:--header',
    ]);
  });

  it('must be known', async () => {
    const [fault] = await faultsOf({ files: { [NAME]: config() }, flags: { destination: 'apj' } });
    expect(fault).toMatchObject({ file: 'flags', path: '--destination', hint: 'did you mean "api"?' });
  });
});

describe('default headers', () => {
  it('split at the first colon or equals sign, and resolve references', async () => {
    const flags = { url: API, header: ['X-A: 1=2:3', 'x-b=4:5=6', `X-C:\${TOKEN}`] };
    expect((await load({ flags, env: { TOKEN: 'secret' } })).defaultHeaders).toEqual([
      ['x-a', '1=2:3'],
      ['x-b', '4:5=6'],
      ['x-c', 'secret'],
    ]);
  });

  it('neither frame nor address a message', async () => {
    expect(placesOf(await faultsOf({ flags: { url: API, header: ['Host: evil.example.com'] } }))).toEqual([
      'flags:--header',
    ]);
  });

  it.each(['Transfer-Encoding', 'content-length', 'Host', 'connection', 'TE', 'upgrade', 'expect'])(
    'of a destination do not break every call with %s',
    async (name) => {
      const uaa = { url: 'https://uaa.example.com', clientid: 'id', clientsecret: 's' };
      const headers = { [name]: 'x' };
      const destinations = {
        api: { kind: 'http', url: API, headers },
        key: { kind: 'service-key', file: 'key.json', url: API, headers },
        own: { kind: 'http', url: API, forward: [name] },
      };
      const files = { [NAME]: { destinations }, 'key.json': { uaa } };
      expect(placesOf(await faultsOf({ files }))).toEqual([
        `${NAME}:destinations.api.headers.${name}`,
        `${NAME}:destinations.key.headers.${name}`,
        `${NAME}:destinations.own.forward.0`,
      ]);
    },
  );
});
