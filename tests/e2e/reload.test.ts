import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

const DESTINATION = { kind: 'http', url: 'http://127.0.0.1:1/mcp' };

describe('a changed configuration', () => {
  let drawbridge: Drawbridge;

  beforeEach(async () => {
    drawbridge = await startDrawbridge({ destinations: { one: DESTINATION } }, { env: { AUTH_BROKER_PATH: '.' } });
  });
  afterEach(() => drawbridge?.stop());

  const inFolder = (name: string) => path.join(drawbridge.folder, name);
  const save = (config: object) => writeFile(drawbridge.configFile, JSON.stringify(config, null, 2));
  const reloaded = (name: string) =>
    drawbridge.record(
      ({ signal, destinations }) => signal === 'config.reloaded' && (destinations as string[]).includes(name),
    );

  it('is taken while a log file grows beside it', async () => {
    const writing = new AbortController();
    const log = (async () => {
      while (!writing.signal.aborted) {
        await appendFile(inFolder('proxy.log'), 'a line\n');
        await sleep(50);
      }
    })();
    try {
      await save({ destinations: { two: DESTINATION } });
      await reloaded('two');
    } finally {
      writing.abort();
      await log;
    }
  });

  it('is taken when a file is mended that only the refused one named', async () => {
    await mkdir(inFolder('keys'));
    await save({ destinations: { two: { kind: 'service-key', file: 'keys/two.json' } } });
    await drawbridge.record(({ signal }) => signal === 'config.refused');
    await writeFile(inFolder('keys/two.json'), JSON.stringify(KEY));
    await reloaded('two');
  });

  it('is a service key that is dropped into the folder, or mended there', async () => {
    await mkdir(inFolder('service-keys'));
    await reloaded('one');
    await writeFile(inFolder('service-keys/key.json'), '{');
    await drawbridge.record(({ signal, notice }) => signal === 'config.notice' && /left out/.test(String(notice)));
    await writeFile(inFolder('service-keys/key.json'), JSON.stringify(KEY));
    await reloaded('key');
  });
});

const KEY = {
  uaa: { url: 'https://uaa.example.com', clientid: 'id', clientsecret: 's' },
  url: 'https://service.example.com',
};
