import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundle } from '../helpers/bundle.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { programNode } from '../helpers/programNode.js';
import { connect, type Place, type User } from './matrix/clients.js';
import { type Era, type Listening, startServer } from './matrix/servers.js';
import { PAGE, WATCHED } from './matrix/shared.js';

/**
 * Every client against every server: SDK clients of both eras, over HTTP and over stdio, towards servers of both eras,
 * over HTTP and over stdio. `MATRIX_DIRECT=1` takes the pairs of one era and one transport without Drawbridge, which
 * shows that it is not the test that fails.
 */
type Transport = 'http' | 'stdio';
type Cell = { client: Era; door: Transport; server: Era; upstream: Transport };

const isDirect = process.env.MATRIX_DIRECT === '1';
const program = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const eras: readonly Era[] = ['legacy', 'modern'];
const transports: readonly Transport[] = ['http', 'stdio'];
const cells: readonly Cell[] = eras.flatMap((client) =>
  transports.flatMap((door) =>
    eras.flatMap((server) => transports.map((upstream): Cell => ({ client, door, server, upstream }))),
  ),
);
const chosen = cells.filter(
  ({ client, door, server, upstream }) => !isDirect || (client === server && door === upstream),
);

let child: string;
let servers: Readonly<Record<Era, Listening>>;
let drawbridge: Drawbridge | undefined;

beforeAll(async () => {
  child = bundle(new URL('./matrix/program.ts', import.meta.url));
  const [legacy, modern] = await Promise.all([startServer('legacy'), startServer('modern')]);
  servers = { legacy, modern };
  if (!isDirect) drawbridge = await startDrawbridge({ destinations: destinations() });
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([servers?.legacy.close(), servers?.modern.close()]);
});

describe.each(chosen)('a $client client over $door, a $server server over $upstream', (cell) => {
  let user: User;

  beforeAll(async () => {
    user = await connect(cell.client, placeOf(cell));
  });
  afterAll(() => user?.close());

  it('speaks the revision that it was made for', async () => {
    expect(user.version).toBe(cell.client === 'modern' ? '2026-07-28' : '2025-11-25');
    expect(await user.tools()).toEqual(expect.arrayContaining(['count', 'ask_user', 'grow']));
  });

  it('hears progress in order', async () => {
    const heard: number[] = [];
    // What is said in one breath with the answer is for `progress.test`: the SDKs' clients may forget it on a busy machine.
    const text = await user.call('count', { to: 5, restMs: 300 }, { onProgress: (progress) => heard.push(progress) });
    expect([text, heard]).toEqual(['counted', [1, 2, 3, 4, 5]]);
  });

  it('is asked to sample', async () => {
    expect(await user.call('ask_model')).toBe('The model says {"type":"text","text":"Paris"}');
  });

  it('is asked by a form', async () => {
    expect(await user.call('ask_user')).toBe('Hello, Ada');
  });

  it('is sent to a URL', async () => {
    expect(await user.call('send_user')).toBe('The user did accept');
    expect(user.heard.sentTo).toEqual([PAGE]);
  });

  it('is asked for its roots', async () => {
    expect(await user.call('ask_roots')).toBe('file:///home/ada');
  });

  it('cancels a call that runs, and the server notices', async () => {
    const before = Number(await user.call('cancelled'));
    const leaving = new AbortController();
    const call = user.call('wait', {}, { signal: leaving.signal, onProgress: () => leaving.abort() });
    await expect(call).rejects.toThrow();
    await until(async () => Number(await user.call('cancelled')) === before + 1);
  });

  it('hears of the change of a resource that it watches, and of the tools', async () => {
    await user.watch(WATCHED);
    await user.call('touch');
    await until(() => user.heard.updated.length > 0);
    await user.call('grow');
    await until(() => user.heard.toolsChanged > 0);
    expect(user.heard).toMatchObject({ updated: [WATCHED], toolsChanged: 1 });
  });

  it('completes an argument', async () => {
    expect(await user.complete('par')).toEqual(['paris', 'park']);
  });

  it('hears the logs it asked for', async () => {
    await user.listenToLogs('info');
    expect(await user.call('log')).toBe('logged');
    await until(() => user.heard.logged.length > 0);
    expect(user.heard.logged).toEqual(['at work']);
  });
});

function destinations() {
  const over = (era: Era) => ({
    [`${era}-http`]: { kind: 'http', url: servers[era].url },
    [`${era}-stdio`]: { kind: 'stdio', command: process.execPath, args: [child, era] },
  });
  return { ...over('legacy'), ...over('modern') };
}

function placeOf({ door, server, upstream }: Cell): Place {
  const destination = `${server}-${upstream}`;
  if (drawbridge === undefined) {
    return upstream === 'http'
      ? { url: new URL(servers[server].url) }
      : { command: process.execPath, args: [child, server] };
  }
  if (door === 'http') return { url: new URL(`/mcp/${destination}`, drawbridge.url) };
  const args = [program, 'stdio', '-c', drawbridge.configFile, '--destination', destination];
  return { command: programNode(), args };
}

/** Resolves once `holds` does; the test's own deadline is the limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10);
}
