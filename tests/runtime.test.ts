import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../src/config/settings.js';
import { systemClock } from '../src/core/async.js';
import { type Runtime, startRuntime } from '../src/runtime.js';
import { load } from './config/loadConfig.js';
import { FakeSignals } from './helpers/fakes.js';

const NAME = 'mcp-proxy-config.json';

describe('a runtime', () => {
  let upstream: http.Server;
  let url: string;
  let seen: http.IncomingHttpHeaders;
  let runtime: Runtime;
  let signals: FakeSignals;

  beforeAll(async () => {
    upstream = http.createServer((request, response) => {
      seen = request.headers;
      request.resume();
      response.setHeader('content-type', 'application/json').end('{"jsonrpc":"2.0","id":1,"result":{}}');
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`;
  });
  afterAll(() => void upstream.close());
  afterEach(() => runtime?.stop());

  const settings = (more: object = {}, header: string[] = [], headers: object = {}): Promise<Settings> => {
    const destinations = { api: { kind: 'http', url, headers } };
    return load({ files: { [NAME]: { destinations, server: { port: 0 }, ...more } }, flags: { header } });
  };

  async function start(first: Settings): Promise<void> {
    signals = new FakeSignals();
    runtime = await startRuntime(first, { clock: systemClock, signals, version: '0.0.0' });
  }

  it('sends a header of the command line instead of the one of the file, however they are written', async () => {
    await start(
      await settings({}, ['x-team: flag', 'x-tier: flag'], { 'X-Team': 'file', 'x-tier': 'file', 'X-Kept': 'file' }),
    );
    await fetch(`${runtime.url}/mcp/api`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
    expect(seen).toMatchObject({ 'x-team': 'flag', 'x-tier': 'flag', 'x-kept': 'file' });
  });

  it('does not swallow the notices of a configuration that it reloads', async () => {
    await start(await settings());
    await runtime.reload(() => settings({ logLevel: 'warn' }));
    expect(signals.named('config.notice')).toEqual([
      { notice: expect.stringContaining('logLevel, line 12: warning: is now telemetry.logLevel') },
    ]);
    expect(signals.named('config.reloaded')).toHaveLength(1);
  });

  it('says that another address or log format takes a new process, as long as it does', async () => {
    await start(await settings());
    const next = { server: { port: 1, host: 'localhost' }, telemetry: { logFormat: 'json' } };
    const notices = () => signals.named('config.notice').map(({ notice }) => String(notice).split(' ')[0]);
    await runtime.reload(() => settings(next));
    expect(notices()).toEqual(['server.host', 'server.port', 'telemetry.logFormat']);
    await runtime.reload(() => settings({ server: { port: 1 } }));
    expect(notices().slice(3)).toEqual(['server.port']);
    await runtime.reload(() => settings());
    expect(notices()).toHaveLength(4);
  });

  describe('after a reload', () => {
    const list = (headers: object = {}) =>
      fetch(`${runtime.url}/mcp/api`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
      });
    const quotas = { perCaller: '3/h' };

    it('gives nobody back what was drawn of limits that are as they were', async () => {
      await start(await settings({ quotas }));
      await list();
      await runtime.reload(() => settings({ quotas, telemetry: { logLevel: 'warn' } }));
      expect((await list()).headers.get('ratelimit')).toMatch(/r=1;/);
      await runtime.reload(() => settings({ quotas: { perCaller: '4/h' } }));
      expect((await list()).headers.get('ratelimit')).toMatch(/r=3;/);
      await runtime.reload(() => settings({ quotas }));
      expect((await list()).headers.get('ratelimit')).toMatch(/r=2;/);
    });

    it('lets a call end that went on to another destination under a configuration that is replaced meanwhile', async () => {
      let answerToken: (() => void) | undefined;
      const tokens = http.createServer((_request, response) => {
        answerToken = () =>
          void response.setHeader('content-type', 'application/json').end('{"access_token":"t","token_type":"Bearer"}');
      });
      await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
      const asked = once(tokens, 'request');
      const tokenUrl = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
      const client = { kind: 'client-credentials', tokenUrl, clientId: 'id', clientSecret: 's' };
      const configured = (logLevel: string) =>
        settings({
          destinations: {
            api: {
              kind: 'http',
              url: 'http://127.0.0.1:1/mcp',
              fallback: ['spare'],
              resilience: { retry: { attempts: 2, baseMs: 400 } },
            },
            spare: { kind: 'http', url, credential: 'jobs' },
          },
          credentials: { jobs: { ...client, origins: [new URL(url).origin] } },
          telemetry: { logLevel },
        });
      const reload = (logLevel: string) => runtime.reload(() => configured(logLevel));
      signals = new FakeSignals();
      const clock = { ...systemClock, random: () => 1 };
      runtime = await startRuntime(await configured('info'), { clock, signals, version: '0.0.0' });
      const call = list();
      while (signals.named('attempt.repeated').length === 0) await sleep(5);
      await reload('warn');
      await asked;
      await reload('error');
      // What is closed with a configuration is closed by now.
      await sleep(100);
      answerToken?.();
      expect((await call).status).toBe(200);
      tokens.close();
    });

    it('still knows the answers it kept, unless anything has changed that they could depend on', async () => {
      const resilience = { resultCache: { enabled: true, legacyTtlMs: { 'tools/list': 60_000 } } };
      const cached = async () => (await list()).headers.has('age');
      const first = await settings({ resilience });
      await start(first);
      expect([await cached(), await cached()]).toEqual([false, true]);
      await runtime.reload(async () => ({ ...first, telemetry: { ...first.telemetry, logLevel: 'warn' } }));
      expect(await cached()).toBe(true);
      const { destinations } = await settings({ resilience }, [], { 'x-view': 'other' });
      await runtime.reload(async () => ({ ...first, destinations }));
      expect([await cached(), await cached()]).toEqual([false, true]);
      await runtime.reload(async () => ({ ...first, destinations, keyFile: '/elsewhere/keys.json' }));
      expect(await cached()).toBe(false);
    });
  });
});
