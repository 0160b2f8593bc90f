import { isLoopbackHost } from '../../src/wire/loopback.js';
import { faultsOf, load, placesOf } from './loadConfig.js';

const NAME = 'mcp-proxy-config.json';
const FOLDER = 'home/.config/mcp-abap-adt/service-keys';
const APP = 'http://app:8080';

function served(url: string, credential: object): object {
  return {
    destinations: { app: { kind: 'http', url, credential: 'app' } },
    credentials: { app: { origins: [new URL(url).origin], ...credential } },
  };
}

const API_KEY = { kind: 'static', header: 'x-api-key', value: 'k' };
const CLIENT = { kind: 'client-credentials', clientId: 'id', clientSecret: 's' };

describe('a credential over plain http', () => {
  it('is refused towards another machine, and the hint names the flag', async () => {
    const files = { [NAME]: served(`${APP}/mcp`, API_KEY) };
    const faults = await faultsOf({ files });
    expect(placesOf(faults)).toEqual([`${NAME}:destinations.app.url`, `${NAME}:credentials.app.origins.0`]);
    expect(faults[0]?.message).toBe('a credential would travel to http://app:8080 unencrypted');
    expect(faults[0]?.hint).toContain('--allow-http');
    expect((await load({ files, flags: { allowHttp: true } })).notices).toEqual([]);
  });

  it('is refused towards a token endpoint', async () => {
    const credential = { ...CLIENT, tokenUrl: 'http://idp.example.com/token' };
    const files = { [NAME]: served('https://app.example.com/mcp', credential) };
    expect(placesOf(await faultsOf({ files }))).toEqual([`${NAME}:credentials.app.tokenUrl`]);
    await load({ files, flags: { allowHttp: true } });
  });

  it('is refused towards a tenant, and towards the services behind a BTP destination', async () => {
    const key = { url: 'http://uaa.example.com', uri: 'http://service.example.com', clientid: 'id', clientsecret: 's' };
    const qlik = { kind: 'qlik', auth: 'api-key', tenant: 'http://acme.example.com', apiKey: 'k' };
    const crm = { kind: 'btp-destination', file: 'key.json', destination: 'CRM' };
    const destinations = { crm, own: { ...crm, file: 'safe.json', url: APP } };
    const safe = { ...key, url: 'https://uaa.example.com', uri: 'https://service.example.com' };
    const files = { [NAME]: { destinations, credentials: { qlik } }, 'key.json': key, 'safe.json': safe };
    expect(placesOf(await faultsOf({ files }))).toEqual([
      `${NAME}:destinations.crm.file`,
      `${NAME}:destinations.own.url`,
      `${NAME}:credentials.qlik.tenant`,
    ]);
    await load({ files, flags: { allowHttp: true } });
  });

  it("is refused for a service key's addresses, written or in its file", async () => {
    const key = { uaa: { url: 'http://uaa.example.com', clientid: 'id', clientsecret: 's' }, url: APP };
    const destinations = {
      own: { kind: 'service-key', file: 'key.json' },
      given: { kind: 'service-key', file: 'safe.json', url: APP, allowedUrls: [`${APP}/x`] },
    };
    const safe = { ...key, uaa: { ...key.uaa, url: 'https://uaa.example.com' } };
    const files = { [NAME]: { destinations }, 'key.json': key, 'safe.json': safe };
    expect(placesOf(await faultsOf({ files }))).toEqual([
      `${NAME}:destinations.own.file`,
      `${NAME}:destinations.given.url`,
      `${NAME}:destinations.given.allowedUrls.0`,
    ]);
    await load({ files, flags: { allowHttp: true } });
  });

  it('leaves out a key of the folder, unless it is asked for; the flag keeps it', async () => {
    const uaa = { url: 'https://uaa.example.com', clientid: 'id', clientsecret: 's' };
    const files = {
      [`${FOLDER}/ai.json`]: { uaa, url: 'https://ai.example.com' },
      [`${FOLDER}/old.json`]: { uaa, url: APP },
    };
    const settings = await load({ files });
    expect([...settings.destinations.keys()]).toEqual(['ai']);
    expect(settings.notices).toEqual([
      expect.stringMatching(/old\.json: warning: left out: a credential would travel/),
    ]);
    expect(await faultsOf({ files, flags: { destination: 'old' } })).toHaveLength(1);
    expect([...(await load({ files, flags: { allowHttp: true } })).destinations.keys()]).toEqual(['ai', 'old']);
    expect(placesOf(await faultsOf({ files, flags: { url: APP } }))).toContain('flags:--url');
  });

  it("is told once for a client's own entry", async () => {
    const mcpServers = { app: { url: APP, headers: { Authorization: 'Bearer t' } } };
    expect(placesOf(await faultsOf({ files: { [NAME]: { mcpServers } } }))).toEqual([`${NAME}:mcpServers.app.url`]);
  });

  it('may reach this machine, and what carries none may go anywhere', async () => {
    for (const host of ['localhost', 'app.localhost', '127.0.0.1', '127.8.9.10', '[::1]'])
      await load({ files: { [NAME]: served(`http://${host}:8080/mcp`, API_KEY) } });
    const open = { app: { kind: 'http', url: APP, allowedUrls: [APP] }, site: { kind: 'web', url: APP } };
    await load({ files: { [NAME]: { destinations: open } } });
  });

  it.each(['localhost.example.com', 'notlocalhost', '127.0.0.1.nip.io', '128.0.0.1', '[::2]', '10.0.0.1', '0.0.0.0'])(
    'is not fooled by %s',
    (host) => expect(isLoopbackHost(host)).toBe(false),
  );
});
