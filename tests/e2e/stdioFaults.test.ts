import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isAlive, until } from '../helpers/alive.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

/** What goes wrong with servers that are started by a command, with real processes. */
const SERVER = fileURLToPath(new URL('../helpers/childServer.mjs', import.meta.url));
const CANARY = 'canary-of-our-environment';
const SECRET = 'secret-of-the-child';

let drawbridge: Drawbridge;
const clients: Client[] = [];

beforeAll(async () => {
  const stdio = { kind: 'stdio', command: process.execPath, args: [SERVER], stopMs: 300 };
  drawbridge = await startDrawbridge(
    {
      destinations: {
        child: { ...stdio, env: { CHILD_SECRET: SECRET }, maxLineBytes: 100_000 },
        few: { ...stdio, maxChildren: 2 },
        shared: { ...stdio, shared: true },
        stubborn: { ...stdio, args: [SERVER, 'stubborn'] },
        broken: { ...stdio, args: [SERVER, 'broken'] },
        missing: { kind: 'stdio', command: './no-such-program' },
      },
      resilience: { firstByteMs: 1_500, retry: { attempts: 1 }, circuitBreaker: { failures: 100 } },
    },
    { env: { DRAWBRIDGE_CANARY: CANARY, NODE_OPTIONS: '' } },
  );
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(() => drawbridge?.stop());

type Connected = {
  client: Client;
  transport: StreamableHTTPClientTransport;
  say: (tool: string, args?: object) => Promise<string>;
};

async function connect(destination: string): Promise<Connected> {
  const client = new Client({ name: 'test', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(`/mcp/${destination}`, drawbridge.url));
  await client.connect(transport as never);
  clients.push(client);
  const say = async (name: string, args: object = {}) => {
    const { content } = await client.callTool({ name, arguments: { ...args } });
    return (content as { text: string }[])[0]?.text ?? '';
  };
  return { client, transport, say };
}

describe('a child', () => {
  it('that is killed in the middle of a call: the call is told, the session is gone, a new one works', async () => {
    const { client, say } = await connect('child');
    await expect(say('die')).rejects.toMatchObject({ code: 502 });
    await expect(client.listTools()).rejects.toMatchObject({ code: 404 });
    expect(await (await connect('child')).say('echo', { text: 'back' })).toBe('back');
  });

  it('that never answers is not waited for, and told so', async () => {
    const { say } = await connect('child');
    await expect(say('silent')).rejects.toMatchObject({ code: 504 });
    expect(JSON.parse(await say('cancelled'))).toHaveLength(1);
  });

  it('that closes its stdout is ended', async () => {
    const { say } = await connect('child');
    const pid = Number(await say('pid'));
    await expect(say('mute')).rejects.toMatchObject({ code: 502 });
    await until(() => !isAlive(pid));
  });

  it('whose caller leaves is told at once', async () => {
    const { client, say, transport } = await connect('child');
    const leaving = new AbortController();
    const left = fetch(new URL('/mcp/child', drawbridge.url), {
      method: 'POST',
      signal: leaving.signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': String(transport.sessionId),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'gone', method: 'tools/call', params: { name: 'silent' } }),
    });
    await client.ping().catch(() => {});
    leaving.abort();
    await expect(left).rejects.toThrow();
    let heard = '[]';
    while (heard === '[]') heard = await say('cancelled');
    expect(JSON.parse(heard)).toEqual(['gone']);
  });

  it('that floods stderr is served on, and its secrets stay out of the log', async () => {
    const { say } = await connect('child');
    expect(await say('flood', { lines: 50_000, secret: SECRET })).toBe('flooded');
    const first = await drawbridge.record(({ signal, line }) => signal === 'child.stderr' && /^key/.test(String(line)));
    expect(first.line).toBe('key *** ***');
    expect(drawbridge.records().filter(({ signal }) => signal === 'child.stderr').length).toBeLessThan(500);
    expect(drawbridge.stderr()).not.toContain(SECRET);
    expect(await say('echo', { text: 'here' })).toBe('here');
  });

  it('that writes noise to stdout is served on', async () => {
    const { say } = await connect('child');
    expect(await say('noise')).toBe('noisy');
    expect(await drawbridge.record(({ signal }) => signal === 'child.noise')).toMatchObject({ destination: 'child' });
  });

  it('that writes more than it may is ended', async () => {
    const { say } = await connect('child');
    const pid = Number(await say('pid'));
    expect(await say('long', { bytes: 50_000 })).toHaveLength(50_000);
    await expect(say('long', { bytes: 200_000 })).rejects.toMatchObject({ code: 502 });
    await until(() => !isAlive(pid));
  });

  it('sees what a program needs of our environment, and what it was given', async () => {
    const { say } = await connect('child');
    const env = JSON.parse(await say('env')) as Record<string, string>;
    expect(env).toMatchObject({ CHILD_SECRET: SECRET, HOME: drawbridge.folder });
    expect(Object.keys(env).sort()).toEqual(['CHILD_SECRET', 'HOME', 'PATH']);
    expect(JSON.stringify(env)).not.toContain(CANARY);
    expect(await say('cwd')).toContain(drawbridge.folder);
  });
});

describe('a command', () => {
  it('that is not there is told as such', async () => {
    await expect(connect('missing')).rejects.toMatchObject({ code: 502 });
  });

  it('whose children keep ending is left alone for a while', async () => {
    for (let n = 0; n < 3; n++) await expect(connect('broken')).rejects.toMatchObject({ code: 502 });
    await drawbridge.record(({ signal, waitMs }) => signal === 'child.lost' && Number(waitMs) > 0);
    const started = () => drawbridge.records().filter(({ signal }) => signal === 'child.started').length;
    const before = started();
    await expect(connect('broken')).rejects.toThrow(/left alone/);
    expect(started()).toBe(before);
  });
});

describe('nothing is left', () => {
  it('of a session that ends, grandchildren included', async () => {
    const { transport, say } = await connect('child');
    const pids = [Number(await say('pid')), Number(await say('family'))];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await transport.terminateSession();
    await until(() => !pids.some(isAlive));
  });

  it('of a child that died, of which grandchildren were left', async () => {
    const { say } = await connect('child');
    const family = Number(await say('family'));
    await expect(say('die')).rejects.toThrow();
    await until(() => !isAlive(family));
  });

  it('of children that want to live', async () => {
    const { transport, say } = await connect('stubborn');
    const pid = Number(await say('pid'));
    await transport.terminateSession();
    await until(() => !isAlive(pid));
  });
});

describe('many', () => {
  it('sessions have as many children as they may', async () => {
    const [first, second] = [await connect('few'), await connect('few')];
    await Promise.all([first.say('echo', { text: 'a' }), second.say('echo', { text: 'b' })]);
    await expect(connect('few')).rejects.toMatchObject({ code: 503 });
    await first.transport.terminateSession();
    expect(await (await connect('few')).say('echo', { text: 'c' })).toBe('c');
  });

  it('clients share one child and hear only what is theirs', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => connect('shared')));
    const pids = await Promise.all(all.map(({ say }) => say('pid')));
    expect(new Set(pids).size).toBe(1);
    const texts = all.flatMap((_, n) => Array.from({ length: 5 }, (_unused, k) => `${n}.${k}`));
    const said = await Promise.all(texts.map((text, n) => all[Math.floor(n / 5)]?.say('echo', { text })));
    expect(said).toEqual(texts);
  });
});

it('leaves no process behind when it is stopped', async () => {
  const sessions = [await connect('child'), await connect('stubborn'), await connect('shared')];
  const own = await Promise.all(sessions.map(({ say }) => say('pid')));
  const families = await Promise.all(sessions.map(({ say }) => say('family')));
  const pids = [...own, ...families].map(Number);
  await Promise.all(clients.splice(0).map((client) => client.close()));
  expect(pids.every(isAlive)).toBe(true);
  expect(await drawbridge.stop()).toEqual({ code: 0, signal: null });
  expect(pids.filter(isAlive)).toEqual([]);
});
