import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Answer, call, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { sendJson } from '../helpers/tokenServer.js';
import { startUpstream } from '../helpers/upstreamFixture.js';
import { freePort } from './callersWorld.js';

export const PAGE = readFileSync('docs/qlik.md', 'utf8');
/** Of the OAuth client in the recipes. */
export const CLIENT_ID = '2f1d7a9c4b';
export const SECRET = 'canary-qlik-client-secret';
export const API_KEY = 'canary-qlik-api-key-of-ben';

/** The names of the recipes, in their order. */
export const recipes = [...PAGE.matchAll(/<!-- recipe: (\w+) -->/g)].map(([, name]) => String(name));

/** The fenced block behind a `<!-- recipe: name -->`. */
export function recipe(name: string): string {
  const [, text] = new RegExp(`<!-- recipe: ${name} -->\\n\`\`\`json\\n([\\s\\S]*?)\`\`\``).exec(PAGE) ?? [];
  if (text === undefined) throw new Error(`docs/qlik.md has no recipe ${name}`);
  return text;
}

/** A few of the tools of Qlik's own MCP server, by their names. */
const OFFICIAL = [
  ...['qlik_search', 'qlik_describe_app', 'qlik_create_app', 'qlik_get_fields', 'qlik_get_script'],
  ...['qlik_update_script', 'qlik_list_sheets', 'qlik_get_dataset_schema', 'qlik_get_lineage'],
];

/** What stands at the mock's `/api/ai/mcp`: each tool answers with the subject of whoever calls it. */
export function officialServer(): (request: IncomingMessage, response: ServerResponse, subject: string) => void {
  const calling = new AsyncLocalStorage<string>();
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'qlik', version: '1.0.0' }, { capabilities: { tools: {} } });
    for (const name of OFFICIAL)
      server.registerTool(name, {}, () => ({ content: [{ type: 'text', text: calling.getStore() ?? 'nobody' }] }));
    return server;
  });
  const serve = toNodeHandler(handler) as RequestListener;
  return (asked, response, subject) => calling.run(subject, () => serve(asked, response));
}

type Headers = Record<string, string>;

/** The provider that the callers show tokens of. */
export interface People {
  readonly origin: string;
  /** The headers of a caller; `more`: further claims. */
  as(subject: string, audience: string, more?: object): Promise<Headers>;
  close(): Promise<void>;
}

export async function startPeople(): Promise<People> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
  const provider = await startUpstream(({ url }, response) => {
    const found = { issuer: provider.origin, jwks_uri: `${provider.origin}/keys` };
    sendJson(response, 200, url.startsWith('/.well-known/') ? found : { keys: [jwk] });
  });
  return {
    origin: provider.origin,
    as: async (sub, aud, more = {}) => {
      const token = new SignJWT({ sub, aud, ...more }).setIssuer(provider.origin).setIssuedAt();
      const signed = token.setExpirationTime('1h').setProtectedHeader({ alg: 'ES256', kid: 'k' });
      return { authorization: `Bearer ${await signed.sign(privateKey)}` };
    },
    close: () => provider.close(),
  };
}

/** A recipe that runs as it stands in the page, but for the addresses. */
export interface Running {
  readonly drawbridge: Drawbridge;
  /** The tools that somebody sees. */
  list(destination?: string, headers?: Headers): Promise<string[]>;
  /** Calls a tool by an SDK client: what it answered, structured or else its text. */
  tool(name: string, args?: object, headers?: Headers, destination?: string): Promise<unknown>;
  /** What a call is answered with, as it stands on the wire. */
  ask(headers?: Headers): Promise<Answer>;
  /** Where the answer to a call sends a person. */
  loginAddress(headers?: Headers): Promise<URL>;
  stop(): Promise<unknown>;
}

/** `at`: what stands in the page → what takes its place. */
export async function startRecipe(
  name: string,
  at: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<Running> {
  const port = await freePort();
  const places = Object.entries({ ...at, 'https://mcp.example.com': `http://127.0.0.1:${port}` });
  const text = places.reduce((said, [from, to]) => said.replaceAll(from, to), recipe(name));
  const env = { QLIK_SECRET: SECRET, QLIK_API_KEY: API_KEY };
  const drawbridge = await startDrawbridge(JSON.parse(text), {
    args: ['--port', String(port), '--persist', '--browser', 'none', ...args],
    env,
  });
  const url = (destination: string) => new URL(`/mcp/${destination}`, drawbridge.url);
  const list = async (destination = 'qlik', headers: Headers = {}) => {
    const client = await connect(url(destination), headers);
    return (await client.listTools().finally(() => client.close())).tools.map((tool) => tool.name);
  };
  const tool = async (wanted: string, given: object = {}, headers: Headers = {}, destination = 'qlik') => {
    const client = await connect(url(destination), headers);
    const said = await client
      .callTool({ name: wanted, arguments: { ...given } }, { timeout: 20_000 })
      .finally(() => client.close());
    const { isError, structuredContent, content } = said as Said;
    if (isError) throw new Error(`${wanted}: ${JSON.stringify(content)}`);
    return structuredContent ?? content[0]?.text;
  };
  const ask = (headers: Headers = {}) => initialize(url('qlik'), headers);
  const loginAddress = async (headers: Headers = {}) => {
    let answer = await ask(headers);
    // While a refused login is being put away, whoever calls hears why it was refused.
    while (answer.text.includes('the login was refused')) {
      await sleep(20);
      answer = await ask(headers);
    }
    return addressIn(answer);
  };
  return { drawbridge, list, tool, ask, loginAddress, stop: () => drawbridge.stop() };
}

interface Said {
  readonly isError?: boolean;
  readonly structuredContent?: unknown;
  readonly content: readonly { readonly text?: string }[];
}

async function connect(url: URL, headers: Headers): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client;
}

function initialize(url: URL, headers: Headers): Promise<Answer> {
  const clientInfo = { name: 'test', version: '1' };
  return call(url.href, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }, headers);
}

function addressIn(answer: Answer): URL {
  expect([answer.status, codeOf(answer)]).toEqual([403, 'LOGIN_REQUIRED']);
  const { hint } = (JSON.parse(answer.text) as { error: { data: { hint: string } } }).error.data;
  return new URL(/https?:\S+/.exec(hint)?.[0] ?? '');
}

/** A login, as a browser walks through it: what the provider was asked, and the page that it ended at. */
export interface Walked {
  readonly asked: URLSearchParams;
  readonly page: string;
}

/** Says yes on our own page where there is one, is known at the tenant, and comes back. */
export async function logIn(address: URL): Promise<Walked> {
  const { next, cookie } = address.pathname.startsWith('/login/')
    ? await confirm(address)
    : { next: address, cookie: '' };
  const { headers, text } = await request(next.href);
  const back = headers.get('location');
  if (back === null) throw new Error(`the tenant sends nobody back: ${text}`);
  return { asked: next.searchParams, page: (await request(back, { headers: { cookie } })).text };
}

async function confirm(address: URL): Promise<{ readonly next: URL; readonly cookie: string }> {
  const onward = await request(address.href, { method: 'POST', headers: { origin: address.origin } });
  const [, next = ''] = /content="0;url=([^"]+)"/.exec(onward.text) ?? [];
  const [cookie = ''] = onward.headers.get('set-cookie')?.split(';') ?? [];
  return { next: new URL(next.replaceAll('&amp;', '&')), cookie };
}
