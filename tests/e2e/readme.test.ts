import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { json, startUpstream, status } from '../helpers/upstreamFixture.js';
import { startXsuaaLike, XSUAA_CLIENT } from '../helpers/xsuaaLike.js';

const readme = fs.readFileSync('README.md', 'utf8');

/** The fenced block behind a `<!-- recipe: name -->`. */
function recipe(name: string): string {
  const block = new RegExp(`<!-- recipe: ${name.replace('.', '\\.')} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(
    readme,
  );
  if (!block) throw new Error(`README.md has no recipe ${name}`);
  return block[1] as string;
}

/** A folder with the recipe's configuration and whatever stands beside it. */
function folderWith(config: string, files: Record<string, string> = {}): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-readme-'));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ ...files, 'mcp-proxy-config.json': config })) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  return path.join(folder, 'mcp-proxy-config.json');
}

async function run(config: string, env: Record<string, string> = {}): Promise<Drawbridge> {
  const drawbridge = await startDrawbridge(null, { args: ['-c', config], env });
  cleanups.push(() => drawbridge.stop());
  return drawbridge;
}

/** An MCP server that answers any call, and the token that the last one showed. */
async function startServer() {
  const upstream = await startUpstream(
    json({ tools: [], protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } }),
  );
  cleanups.push(() => upstream.close());
  return upstream;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('the recipes of the README', () => {
  it('Cline: its entry reaches the server, with a token that it never saw', async () => {
    const idp = await startXsuaaLike({ clientId: 'drawbridge', clientSecret: 'jobs-secret' });
    cleanups.push(() => idp.close());
    const server = await startServer();
    const drawbridge = await run(folderWith(recipe('cline.config')), {
      JOBS_URL: server.url,
      JOBS_ORIGIN: server.origin,
      JOBS_TOKEN_URL: idp.tokenUrl,
      JOBS_SECRET: 'jobs-secret',
    });
    const entry = JSON.parse(recipe('cline.entry')) as { mcpServers: { jobs: { url: string } } };
    const url = new URL(new URL(entry.mcpServers.jobs.url).pathname, drawbridge.url);
    const client = new Client({ name: 'cline', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(url) as Parameters<Client['connect']>[0]);
    expect((await client.listTools()).tools).toEqual([]);
    await client.close();
    expect(server.requests[0]?.header('authorization')).toMatch(/^Bearer ey/);
    expect(idp.requests).toHaveLength(1);
  });

  it('sidecar: MCP gets the key, the other pages pass through without it', async () => {
    const server = await startServer();
    const drawbridge = await run(folderWith(recipe('sidecar.config'), { 'app.key': 'the-app-key\n' }), {
      APP: server.origin,
    });
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect((await fetch(`${drawbridge.url}/mcp`, { method: 'POST', headers, body })).status).toBe(200);
    expect(server.requests.at(-1)?.header('x-api-key')).toBe('the-app-key');
    server.handler = status(200, {}, 'a page');
    expect(await (await fetch(`${drawbridge.url}/pages/index.html`)).text()).toBe('a page');
    expect(server.requests.at(-1)?.header('x-api-key')).toBeUndefined();
  });

  it('x-btp-destination: the curl line is answered, with a token of the service key', async () => {
    const xsuaa = await startXsuaaLike();
    cleanups.push(() => xsuaa.close());
    const server = await startServer();
    const key = {
      uaa: { url: xsuaa.url, clientid: XSUAA_CLIENT.clientId, clientsecret: XSUAA_CLIENT.clientSecret },
      url: server.origin,
    };
    const drawbridge = await run(folderWith(recipe('btp.config'), { 'service-keys/ai.json': JSON.stringify(key) }));
    const call = recipe('btp.call').replace('http://127.0.0.1:3001', drawbridge.url);
    const { stdout } = await promisify(execFile)('bash', ['-c', call]);
    expect(JSON.parse(stdout)).toMatchObject({ jsonrpc: '2.0', id: 1, result: { tools: [] } });
    expect(server.requests[0]?.url).toBe('/mcp');
    expect(server.requests[0]?.header('authorization')).toMatch(/^Bearer ey/);
  });
});

describe('the README', () => {
  it('names every kind of destination and credential', async () => {
    const { kinds } = await import('../../src/kinds.js');
    for (const point of Object.values(kinds))
      for (const kind of Object.keys(point)) expect(readme).toContain(`\`${kind}\``);
  });

  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] as string);
    for (const link of links) expect([link, fs.existsSync(link)]).toEqual([link, true]);
  });
});
