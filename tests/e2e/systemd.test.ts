import { writeFile } from 'node:fs/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSystemd, withoutSystemd } from '../helpers/fakeSystemd.js';

const config = (drainMs: number) => ({ server: { drainMs }, destinations: { demo: { kind: 'demo' } } });

(withoutSystemd ? describe.skip : describe)(`a service of systemd (${withoutSystemd ?? 'heard for real'})`, () => {
  let systemd: FakeSystemd;
  let drawbridge: Drawbridge | undefined;

  beforeEach(async () => {
    systemd = await FakeSystemd.start();
    drawbridge = undefined;
  });
  afterEach(async () => {
    await drawbridge?.stop('SIGKILL');
    await systemd.stop();
  });

  const start = async (env: Record<string, string> = {}, args: string[] = []) => {
    drawbridge = await startDrawbridge(config(4000), { env: { NOTIFY_SOCKET: systemd.socket, ...env }, args });
    await systemd.hears((text) => text.startsWith('READY=1'));
    return drawbridge;
  };
  const first = (text: string) => text.split('\n')[0];

  it.each([[[]], [['--workers', '2']]])(
    'tells that it is ready, reloads and stops, in that order (%j)',
    async (args) => {
      const { url, stop, pid, record } = await start({}, args);
      expect(systemd.heard).toEqual([`READY=1\nSTATUS=listening on ${url}`]);
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);

      const before = systemd.heard.length + 1;
      process.kill(pid, 'SIGHUP');
      await record(({ signal }) => signal === 'config.reloaded');
      await systemd.hears((text) => text.startsWith('READY=1'), before);
      expect(systemd.heard.slice(1).map(first)).toEqual(['RELOADING=1', 'READY=1']);
      const reloaded = Number(/^MONOTONIC_USEC=(\d+)$/m.exec(systemd.heard[1] ?? '')?.[1]);
      const now = Number(process.hrtime.bigint() / 1000n);
      expect(now - reloaded).toBeGreaterThan(0);
      expect(now - reloaded).toBeLessThan(10_000_000);

      expect((await stop()).code).toBe(0);
      await systemd.hears((text) => text === 'STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=9000000');
    },
  );

  it('tells that the running configuration stays, too', async () => {
    const { configFile, pid, record } = await start();
    await writeFile(configFile, '{ "nonsense": 1 }');
    const before = systemd.heard.length + 1;
    process.kill(pid, 'SIGHUP');
    await record(({ signal }) => signal === 'config.refused');
    await systemd.hears((text) => text.startsWith('READY=1'), before);
  });

  it('gives signs of life as often as it is asked to, and none while it hangs', async () => {
    const { pid } = await start({ WATCHDOG_USEC: '600000' });
    const pings = () => systemd.heard.filter((text) => text === 'WATCHDOG=1').length;
    await systemd.hears((text) => text === 'WATCHDOG=1');
    await systemd.hears((text) => text === 'WATCHDOG=1', systemd.heard.length + 1, 2000);
    process.kill(pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = pings();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(pings()).toBe(before);
    process.kill(pid, 'SIGCONT');
    await systemd.hears((text) => text === 'WATCHDOG=1', systemd.heard.length + 1);
  });

  it('gives none that are meant for another process', async () => {
    await start({ WATCHDOG_USEC: '200000', WATCHDOG_PID: '1' });
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(systemd.heard.filter((text) => text === 'WATCHDOG=1')).toEqual([]);
  });
});

it('serves all the same where systemd cannot be told, and says so once', async () => {
  const env = { NOTIFY_SOCKET: '/nowhere/at/all', WATCHDOG_USEC: '200000', PATH: '/nowhere' };
  const drawbridge = await startDrawbridge(config(1000), { env });
  await drawbridge.record(({ signal }) => signal === 'service-manager.deaf');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect((await fetch(`${drawbridge.url}/health/ready`)).status).toBe(200);
  expect((await drawbridge.stop()).code).toBe(0);
  expect(drawbridge.records().filter(({ signal }) => signal === 'service-manager.deaf')).toHaveLength(1);
});
