import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { type LegacyServer, startLegacyServer, WATCHED } from '../helpers/mcpServers.js';
import {
  freePort,
  INITIALIZE,
  INITIALIZED,
  startEverything,
  startStdioProgram,
  stdioCommand,
  until,
} from '../helpers/stdioProgram.js';

const says = (text: string) => ({ content: [{ type: 'text', text }] });
const anybody = () => true;
const HEADER = ['--header', 'Authorization: Bearer t'];

describe('a server that restarts under a living client', () => {
  let port: number;
  let server: LegacyServer;
  let client: Client;
  const updated: string[] = [];

  beforeEach(async () => {
    port = await freePort();
    server = await startLegacyServer(anybody, port);
    client = new Client({ name: 'legacy', version: '1' }, { capabilities: {} });
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    updated.length = 0;
    await client.connect(new StdioClientTransport(stdioCommand([server.url, ...HEADER])));
  });
  afterEach(async () => {
    await client?.close();
    await server?.close();
  });

  const restart = async () => {
    await server.close();
    server = await startLegacyServer(anybody, port);
  };
  const echo = (text: string) => client.callTool({ name: 'echo', arguments: { text } });

  it('is given a new session, once, and the calls that the lost one was refused', async () => {
    expect(await echo('before')).toMatchObject(says('before'));
    await restart();
    const texts = Array.from({ length: 10 }, (_, index) => `after ${index}`);
    expect(await Promise.all(texts.map(echo))).toMatchObject(texts.map(says));
    expect(server.sessions.opened).toHaveLength(1);
  });

  it('is waited for while it is away', async () => {
    await server.close();
    const listed = client.listTools();
    const called = echo('patient');
    server = await startLegacyServer(anybody, port);
    expect((await listed).tools.length).toBeGreaterThan(0);
    expect(await called).toMatchObject(says('patient'));
  });

  it('learns the subscriptions of its client without being asked for anything', async () => {
    await client.subscribeResource({ uri: WATCHED });
    await restart();
    // Nobody calls: the stream that broke off tells that the session is lost.
    await until(() => server.sessions.opened.length === 1);
    await until(() =>
      server.knocks.some(({ method, session }) => method === 'GET' && session === server.sessions.opened[0]),
    );
    await client.callTool({ name: 'touch' });
    await until(() => updated.length > 0);
    expect(updated).toEqual([WATCHED]);
  });

  it('is not sent a second time what it may have done', async () => {
    const call = client.callTool({ name: 'wait' });
    await until(() => server.waiting.running === 1);
    await server.close();
    const broken = expect(call).rejects.toThrow(/broke off/);
    server = await startLegacyServer(anybody, port);
    await broken;
    expect(server.waiting).toEqual({ running: 0, left: 0 });
    expect(await echo('still here')).toMatchObject(says('still here'));
  });
});

it('lives through the death of the reference server, which forgets sessions with a 400', async () => {
  const port = await freePort();
  let server = await startEverything(port);
  const client = new Client({ name: 'legacy', version: '1' });
  try {
    await client.connect(new StdioClientTransport(stdioCommand([server.url])));
    await client.callTool({ name: 'echo', arguments: { message: 'one' } });
    await server.kill();
    server = await startEverything(port);
    const again = await client.callTool({ name: 'echo', arguments: { message: 'two' } });
    expect(again).toMatchObject(says('Echo: two'));
  } finally {
    await client.close();
    await server.kill();
  }
});

it('waits for a server that comes up after its client', async () => {
  const port = await freePort();
  const program = startStdioProgram([`http://127.0.0.1:${port}/mcp`, ...HEADER]);
  program.say(INITIALIZE, INITIALIZED, { jsonrpc: '2.0', id: 2, method: 'ping' });
  const server = await startLegacyServer(anybody, port);
  try {
    expect(await program.answer('first')).toMatchObject({ result: { serverInfo: { name: 'legacy' } } });
    expect(await program.answer(2)).toMatchObject({ result: {} });
    program.child.stdin?.end();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.lines()).toHaveLength(2);
    expect(server.sessions.ended).toHaveLength(1);
  } finally {
    await server.close();
    program.child.kill('SIGKILL');
  }
});
