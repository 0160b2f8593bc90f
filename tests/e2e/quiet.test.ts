import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callTool, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type LegacyServer, startLegacyServer } from '../helpers/mcpServers.js';
import { type Pretty, startPretty } from '../helpers/prettyDrawbridge.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';

const VARIANTS = [
  ['json', 'info'],
  ['json', 'debug'],
  ['pretty', 'info'],
  ['pretty', 'debug'],
] as const;

/** Who looks for trouble looks for "error": the word stands in the log when there was one, and never else. */
describe('a log when nothing failed', () => {
  let issuer: Issuer;
  let server: LegacyServer;
  let folder: string;
  let said: Record<string, string>;

  beforeAll(async () => {
    issuer = await startIssuer({ expiresIn: 2 });
    server = await startLegacyServer(issuer.accepts);
    folder = await mkdtemp(path.join(tmpdir(), 'quiet-'));
    const config = {
      server: { defaultDestination: 'here' },
      destinations: { here: { kind: 'http', url: server.url, credential: 'jobs' }, demo: { kind: 'demo' } },
      credentials: { jobs: issuer.credential(server.origin) },
    };
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
    const start = (format: string, level: string): Promise<Drawbridge | Pretty> =>
      format === 'json'
        ? startDrawbridge(config, { args: ['--log-level', level] })
        : startPretty(['-c', path.join(folder, 'config.json'), '--port', '0', '--log-level', level]);
    const lives = VARIANTS.map(async ([format, level]) => [
      `${format} ${level}`,
      await live(await start(format, level)),
    ]);
    said = Object.fromEntries(await Promise.all(lives));
  });
  afterAll(async () => {
    await Promise.all([server?.close(), issuer?.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  it.each(VARIANTS)('has no "error" in it (%s, %s)', (format, level) => {
    const text = said[`${format} ${level}`] ?? '';
    for (const happening of ['listening', 'tools/call', 'token refreshed ahead', 'draining', 'stopped'])
      expect(text).toContain(happening);
    expect(text.split('\n').filter((line) => /error/i.test(line))).toEqual([]);
  });
});

/** A whole life: calls, a session with its stream, a preflight, probes, a token renewed, a drain. Resolves with all that was logged. */
async function live(drawbridge: Drawbridge | Pretty): Promise<string> {
  const { url } = drawbridge;
  const client = new Client({ name: 'quiet', version: '1' }, { versionNegotiation: { mode: 'legacy' } });
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`));
  await client.connect(transport);
  await client.listTools();
  for (const end = Date.now() + 2200; Date.now() < end; await sleep(100))
    await client.callTool({ name: 'echo', arguments: { text: 'Hello' } });
  await callTool(`${url}/mcp/demo`, 'whoami');
  const preflight = { origin: url, 'access-control-request-method': 'POST' };
  await request(`${url}/mcp`, { method: 'OPTIONS', headers: preflight });
  await request(`${url}/health/ready`);
  await transport.terminateSession();
  await client.close();
  await drawbridge.stop();
  return drawbridge.stderr();
}
