/**
 * The client that the suite's `auth/*` scenarios try: the real Drawbridge in front of the scenario's server, with a
 * credential of the kind `mcp-oauth`, or `jwt-bearer` where the caller's own provider vouches for it, and an SDK client
 * that calls it. `node authClient.mjs <url>`, as the suite runs it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** The one address that the suite's authorization server knows a metadata document of. */
const METADATA_DOCUMENT = 'https://conformance-test.local/client-metadata.json';
/** Of one call; a server that is never content is Drawbridge's to end, not this client's. */
const MOST_LOGINS = 10;

const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: context = '{}' } = process.env;
const { MCP_CONFORMANCE_PROTOCOL_VERSION: revision = '2025-11-25', PROGRAM_NODE = process.execPath } = process.env;
const server = new URL(process.argv.at(-1));

const given = JSON.parse(context);
const idToken = given.idp_id_token;
const idp = idToken === undefined ? undefined : await startIntrospection();
const drawbridge = await startDrawbridge({
  destinations: { tried: { kind: 'http', url: server.href, credential: 'login' } },
  ...(idp ? await enterprise(idp.url) : login()),
});
try {
  await callEverything(`${drawbridge.origin}/mcp/tried`);
} finally {
  await drawbridge.stop();
  idp?.stop();
}

function login() {
  return { credentials: { login: { kind: 'mcp-oauth', origins: [server.origin], ...clientOf(given) } } };
}

/** The caller comes with an ID token of its company's; what is configured of the server is what it says of itself. */
async function enterprise(url) {
  const resource = await read(`${server.origin}/.well-known/oauth-protected-resource${server.pathname}`);
  const issuer = resource.authorization_servers[0];
  const metadata = await read(new URL('/.well-known/oauth-authorization-server', issuer).href);
  const atProvider = { tokenUrl: given.idp_token_endpoint, clientId: given.idp_client_id, clientSecret: 'unchecked' };
  return {
    identity: { company: { kind: 'introspection', url, clientId: 'c', clientSecret: 's', acceptJwt: true } },
    credentials: {
      login: {
        kind: 'jwt-bearer',
        tokenUrl: metadata.token_endpoint,
        clientId: given.client_id,
        clientSecret: given.client_secret,
        authentication: 'basic',
        identityProvider: { ...atProvider, audience: metadata.issuer },
        origins: [server.origin],
      },
    },
  };
}

async function read(url) {
  return (await fetch(url)).json();
}

/** The scenario's provider publishes no keys: the one token that it issued is known by itself. */
async function startIntrospection() {
  const { sub, exp } = JSON.parse(Buffer.from(idToken.split('.')[1], 'base64url').toString());
  const running = createServer(async (request, response) => {
    let form = '';
    for await (const chunk of request) form += chunk;
    const active = new URLSearchParams(form).get('token') === idToken;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(active ? { active, sub, exp } : { active }));
  });
  await once(running.listen(0, '127.0.0.1'), 'listening');
  return { url: `http://127.0.0.1:${running.address().port}/introspect`, stop: () => running.close() };
}

function clientOf({ client_id: clientId, client_secret: clientSecret }) {
  if (clientId !== undefined) return { clientId, clientSecret };
  return scenario === 'auth/basic-cimd' ? { clientMetadataUrl: METADATA_DOCUMENT } : {};
}

/** Twice, because a token may serve once only. */
async function callEverything(url) {
  const mode = revision >= '2026-07-28' ? { pin: revision } : 'legacy';
  const client = new Client({ name: 'conformance', version: '1' }, { versionNegotiation: { mode } });
  const requestInit = idToken === undefined ? {} : { headers: { authorization: `Bearer ${idToken}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: fetchLoggingIn, requestInit }));
  for (let times = 0; times < 2; times++) {
    const { tools } = await client.listTools();
    for (const { name } of tools) await client.callTool({ name, arguments: {} });
  }
  await client.close();
}

/** What a person does: opens the address that the answer names, then repeats the call. */
async function fetchLoggingIn(url, init) {
  for (let logins = 0; ; logins++) {
    const answer = await fetch(url, init);
    const login = answer.ok ? undefined : loginIn(await answer.clone().text());
    if (login === undefined || logins === MOST_LOGINS) return answer;
    // The scenario's authorization server asks nobody, and redirects to the callback.
    await (await fetch(login)).arrayBuffer();
  }
}

function loginIn(text) {
  if (!text.includes('LOGIN_REQUIRED')) return undefined;
  const { hint } = JSON.parse(text).error.data;
  return /https?:\S+/.exec(hint)?.[0];
}

async function startDrawbridge(config) {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-'));
  const file = path.join(folder, 'mcp-proxy-config.json');
  await writeFile(file, JSON.stringify(config));
  const program = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
  const child = spawn(PROGRAM_NODE, [program, 'serve', '-c', file, '--port', '0', '--log-format', 'json'], {
    cwd: folder,
    env: { HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  return { origin: await listeningAt(child.stderr), stop };

  async function stop() {
    child.kill();
    await exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/** The log is shown on, for whoever asks why a scenario failed. */
function listeningAt(log) {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: log });
    lines.once('close', () => reject(new Error('Drawbridge did not start')));
    lines.on('line', (line) => {
      process.stderr.write(`${line}\n`);
      const record = line.startsWith('{') ? JSON.parse(line) : {};
      if (record.signal === 'server.listening') resolve(new URL(record.url).origin);
    });
  });
}
