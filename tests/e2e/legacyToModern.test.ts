import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import {
  CreateMessageRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { connectLegacy, type LegacySide, ModernSide, until } from '../bridge/legacyToModernWorld.js';
import { WATCHED } from '../bridge/modernServer.js';
import { call } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

/** Clients of the revisions of 2025 at a server that speaks 2026-07-28 alone, through the real process. */
const SESSION_KEY = 'thirty-two characters and a few more';
const says = (text: string) => ({ content: [{ type: 'text', text }] });

let modern: ModernSide;
let config: object;
let drawbridge: Drawbridge;
let url: URL;

beforeAll(async () => {
  modern = new ModernSide();
  await modern.start();
  config = {
    server: { sessionKey: SESSION_KEY },
    destinations: { modern: { kind: 'http', url: `http://127.0.0.1:${modern.port}/mcp` } },
  };
  drawbridge = await startDrawbridge(config);
  url = new URL('/mcp/modern', drawbridge.url);
});

afterAll(async () => {
  await drawbridge?.stop();
  await modern?.stop();
});

const modelled = (at: URL) =>
  connectLegacy(at, { sampling: {} }, (client) => {
    client.setRequestHandler(CreateMessageRequestSchema, () => {
      return { role: 'assistant', model: 'm', content: { type: 'text', text: 'Because.' } };
    });
  });

describe('sessions at a server without', () => {
  it('are served by every replica with the same key, and by none without', async () => {
    const { client, transport } = await modelled(url);
    const session = { 'mcp-session-id': transport.sessionId as string };
    const replica = await startDrawbridge(config);
    const stranger = await startDrawbridge({ ...config, server: {} });
    const tool = { name: 'echo', arguments: { text: 'here' } };
    const answer = await call(`${replica.url}/mcp/modern`, 'tools/call', tool, session);
    expect(JSON.parse(answer.text).result).toEqual(says('here'));
    expect((await call(`${stranger.url}/mcp/modern`, 'tools/call', tool, session)).status).toBe(404);
    await Promise.all([replica.stop(), stranger.stop()]);
    expect(await client.callTool({ name: 'ask_model' })).toMatchObject(says('{"type":"text","text":"Because."}'));
    await client.close();
  });

  it('keep their subscriptions, their log level and their stream through a reload', async () => {
    const { client } = await modelled(url);
    const heard: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.level));
    await client.subscribeResource({ uri: WATCHED });
    await client.setLoggingLevel('error');
    const written = JSON.parse(await readFile(drawbridge.configFile, 'utf8'));
    written.destinations.other = { kind: 'http', url: 'http://127.0.0.1:9/mcp' };
    await writeFile(drawbridge.configFile, JSON.stringify(written));
    await drawbridge.record(({ signal }) => signal === 'config.reloaded', 10_000);
    await client.callTool({ name: 'log' });
    modern.notify.resourceUpdated(WATCHED);
    await until(() => heard.length === 2);
    expect(heard).toEqual(['error', WATCHED]);
    expect(await client.callTool({ name: 'ask_model' })).toMatchObject(says('{"type":"text","text":"Because."}'));
    await client.close();
  });

  it('are healed, twenty at a time, after the server was restarted', async () => {
    const sides: LegacySide[] = [];
    for (let count = 0; count < 20; count++) sides.push(await modelled(url));
    const heard = new Set<LegacySide>();
    for (const side of sides) {
      side.client.setNotificationHandler(ResourceUpdatedNotificationSchema, () => void heard.add(side));
      await side.client.subscribeResource({ uri: WATCHED });
    }
    await modern.stop();
    await modern.start();
    const texts = sides.map((_, index) => `after ${index}`);
    const answers = await Promise.all(
      sides.map(({ client }, index) => client.callTool({ name: 'echo', arguments: { text: texts[index] } })),
    );
    expect(answers).toMatchObject(texts.map(says));
    await until(() => heard.size === 20);
    heard.clear();
    modern.notify.resourceUpdated(WATCHED);
    await until(() => heard.size === 20);
    await Promise.all(sides.map(({ client }) => client.close()));
  });

  it('leave nothing running at the server when their client is killed', async () => {
    const { left } = modern.happenings;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', KILLED, url.href], { stdio: 'inherit' });
    await until(() => modern.happenings.running === 1);
    child.kill('SIGKILL');
    await once(child, 'close');
    await until(() => modern.happenings.left === left + 1);
    expect(modern.happenings.running).toBe(0);
  });
});

/** A client that calls and never gets an answer. */
const KILLED = `
const url = process.argv.at(-1);
const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const post = (message, more = {}) =>
  fetch(url, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }) });
const begun = await post({ method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'k', version: '1' } } });
await post({ method: 'tools/call', params: { name: 'wait', arguments: {} } }, { 'mcp-session-id': begun.headers.get('mcp-session-id') });
`;
