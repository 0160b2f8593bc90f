import { faultsOf, load, placesOf } from './loadConfig.js';

const FOLDER = 'home/.config/mcp-abap-adt/service-keys';
const UAA = { url: 'https://t.authentication.eu10.hana.ondemand.com', clientid: 'id', clientsecret: 'hunter2' };
const KEY = { uaa: UAA, url: 'https://service.example.com' };

describe('the folder of service keys', () => {
  it('adds a destination per key, unless the configuration has one of that name', async () => {
    const settings = await load({
      files: {
        [`${FOLDER}/ai.json`]: KEY,
        [`${FOLDER}/mine.json`]: KEY,
        [`${FOLDER}/not a name.json`]: KEY,
        [`${FOLDER}/notes.txt`]: '',
        'mcp-proxy-config.json': { destinations: { mine: { kind: 'http', url: 'https://m.example.com/' } } },
      },
    });
    expect([...settings.destinations].map(([name, { kind }]) => `${name}: ${kind}`)).toEqual([
      'mine: http',
      'ai: service-key',
    ]);
    const file = String(settings.destinations.get('ai')?.options.file);
    expect(file.endsWith('service-keys/ai.json')).toBe(true);
    expect(settings.files).toContain(file);
  });

  it('is enough of a configuration', async () => {
    const settings = await load({ files: { [`${FOLDER}/ai.json`]: KEY }, flags: { destination: 'ai' } });
    expect(settings.forced).toEqual({ destination: 'ai' });
  });

  it('may stand elsewhere', async () => {
    const settings = await load({
      files: { 'keys/service-keys/ai.json': KEY },
      env: { AUTH_BROKER_PATH: 'keys/service-keys;/other' },
    });
    expect([...settings.destinations.keys()]).toEqual(['ai']);
  });

  it('with a URL by flag, every key leads there, and a header chooses the key', async () => {
    const files = { [`${FOLDER}/ai.json`]: KEY, [`${FOLDER}/nourl.json`]: { uaa: UAA } };
    const settings = await load({ files, flags: { url: 'https://abap.example.com/' } });
    expect(settings.forced).toEqual({});
    expect([...settings.destinations].map(([name, { options }]) => [name, options.url])).toEqual([
      ['ai', 'https://abap.example.com/'],
      ['nourl', 'https://abap.example.com/'],
    ]);
    // Their tokens go there: that is said.
    expect(settings.notices).toEqual([
      'flags:--url: warning: is the target of every service key, and sees their tokens: ai, nourl (Name one of them with --destination.)',
    ]);
  });

  it('only warns about a broken key, and leaves it out', async () => {
    const files = {
      [`${FOLDER}/ai.json`]: KEY,
      [`${FOLDER}/bad.json`]: '{"clientsecret":"hunter2"',
      [`${FOLDER}/nourl.json`]: { uaa: UAA },
    };
    const settings = await load({ files });
    expect([...settings.destinations.keys()]).toEqual(['ai']);
    expect(settings.notices).toHaveLength(2);
    expect(settings.notices.every((notice) => /(bad|nourl)\.json: warning: left out: /.test(notice))).toBe(true);
    expect(settings.notices.join()).not.toContain('hunter2');
    const watched = settings.files.map((file) => file.slice(file.indexOf('service-keys')));
    expect(watched.sort()).toEqual([
      'service-keys',
      'service-keys/ai.json',
      'service-keys/bad.json',
      'service-keys/nourl.json',
    ]);
  });

  it('refuses a broken key that is asked for by name', async () => {
    const files = { [`${FOLDER}/bad.json`]: '{' };
    const faults = await faultsOf({ files, flags: { destination: 'bad' } });
    expect(faults.map(({ severity }) => severity)).toEqual(['fault']);
  });

  it('says which file to create', async () => {
    const faults = await faultsOf({ flags: { destination: 'TRIAL' } });
    expect(placesOf(faults)).toEqual(['flags:--destination']);
    expect(faults[0]?.message).toMatch(/please create .*service-keys\/TRIAL\.json$/);
  });

  it('takes the URL of a key from the command line', async () => {
    const files = { [`${FOLDER}/nourl.json`]: { uaa: UAA } };
    const flags = { destination: 'nourl', url: 'https://service.example.com/mcp' };
    const settings = await load({ files, flags });
    expect(settings.destinations.get('nourl')?.options.url).toBe('https://service.example.com/mcp');
    const [fault] = await faultsOf({ files, flags: { ...flags, header: ['Authorization: x'] } });
    expect(fault).toMatchObject({ file: 'flags', path: '--header' });
  });
});

it('a service key of the configuration is read when it is checked', async () => {
  const file = { destinations: { ai: { kind: 'service-key', file: 'ai.json' } } };
  await load({ files: { 'mcp-proxy-config.json': file, 'ai.json': KEY } });
  const [fault] = await faultsOf({ files: { 'mcp-proxy-config.json': file } });
  expect(fault).toMatchObject({ file: 'ai.json' });
});
