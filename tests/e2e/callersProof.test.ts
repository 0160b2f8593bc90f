import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type Answer, callTool, codeOf, request } from '../helpers/calls.js';
import { OWN_TOKEN, type ProofWorld, startProofWorld } from './proofWorld.js';

const OWN = 'x-drawbridge-authorization';

let world: ProofWorld;
let ada: string;
let bob: string;

beforeAll(async () => {
  world = await startProofWorld();
  [ada, bob] = [await world.tokenOf('ada'), await world.tokenOf('bob')];
}, 60_000);
afterAll(() => world?.close());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const ask = (destination: string, headers: Record<string, string>) =>
  callTool(world.urlOf(destination), 'whose', headers);
const ownerIn = ({ text }: Answer) =>
  (JSON.parse(text) as { result?: { content: { text: string }[] } }).result?.content[0]?.text;
const whoever = async (destination: string, token: string) => ownerIn(await ask(destination, bearer(token)));

describe('a server that takes a token of its own', () => {
  it.each([
    ['by token exchange', 'whose', 'ada mcp:read', 'bob mcp:read'],
    ['by an XSUAA, which takes the caller’s token for its own user’s', 'abap', 'ada', 'bob'],
    ['by an identity assertion of the callers’ provider', 'jag', 'ada mcp:read', 'bob mcp:read'],
  ])('is shown each caller’s, %s', async (_title, destination, adas, bobs) => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => whoever(destination, n % 2 === 0 ? ada : bob)));
    expect(all).toEqual(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? adas : bobs)));
  });

  it('costs one exchange for each caller, however many calls there are', () => {
    const counts = [world.exchange.requests.length, world.xsuaa.requests.length];
    // One for the token exchange, two for the assertion, for each of two callers.
    expect(counts).toEqual([6, 2]);
  });

  it('is shown another token for a caller who comes back with another one', async () => {
    const before = world.exchange.issued.size;
    const again = await world.tokenOf('ada');
    expect(again).not.toBe(ada);
    expect(await whoever('whose', again)).toBe('ada mcp:read');
    expect(await whoever('whose', ada)).toBe('ada mcp:read');
    expect(world.exchange.issued.size).toBe(before + 1);
  });

  it('serves the official client of the revisions of 2025', async () => {
    const client = new LegacyClient({ name: 'c', version: '1' });
    const requestInit = { headers: bearer(ada) };
    await client.connect(new LegacyTransport(new URL(world.urlOf('legacy')), { requestInit }) as Transport);
    const said = await client.callTool({ name: 'echo', arguments: { text: 'hi' } });
    expect(said.content).toEqual([{ type: 'text', text: 'hi' }]);
    await client.close();
  });

  it('serves the official client of 2026-07-28', async () => {
    const client = new ModernClient(
      { name: 'c', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const requestInit = { headers: bearer(bob) };
    await client.connect(new ModernTransport(new URL(world.urlOf('modern')), { requestInit }));
    const said = await client.callTool({ name: 'echo', arguments: { text: 'hi' } });
    expect(said.content).toEqual([{ type: 'text', text: 'hi' }]);
    await client.close();
  });

  it('never sees the caller’s own token', () => {
    const seen = [world.legacy, world.modern, world.whose].flatMap(({ knocks }) => knocks);
    expect(seen.length).toBeGreaterThan(60);
    for (const { authorization = '' } of seen) expect([bearer(ada), bearer(bob)]).not.toContainEqual({ authorization });
  });
});

describe('a caller whose proof can’t be exchanged', () => {
  it.each(['whose', 'abap', 'jag'])('is told what is needed: %s', async (destination) => {
    const { key } = world;
    const [exchanges, knocks] = [world.exchange.requests.length, world.whose.knocks.length];
    const answer = await ask(destination, bearer(key));
    expect([answer.status, codeOf(answer)]).toEqual([403, 'CALLER_TOKEN_NEEDED']);
    expect(answer.text).toMatch(/Call with an OAuth token/);
    expect(answer.text).not.toContain(key);
    expect([world.exchange.requests.length, world.whose.knocks.length]).toEqual([exchanges, knocks]);
  });

  it('is told who refuses it where the authorization server does', async () => {
    world.exchange.misbehave('limit');
    const fresh = await world.tokenOf('carol');
    const answer = await ask('whose', bearer(fresh));
    world.exchange.misbehave(undefined);
    expect([answer.status, codeOf(answer)]).toEqual([502, 'CREDENTIAL_UNAVAILABLE']);
    expect(answer.text).toMatch(/answered 429/);
    expect(answer.text).not.toContain(fresh);
    expect(await whoever('whose', ada)).toBe('ada mcp:read');
  });

  it('gets nothing by a token that has expired, neither a new one nor the old one', async () => {
    world.provider.accessSeconds = 2;
    const short = await world.tokenOf('dave');
    world.provider.accessSeconds = 600;
    expect(await whoever('whose', short)).toBe('dave mcp:read');
    const exchanges = world.exchange.requests.length;
    // Its life is over when its life is over: there is nothing else to wait for.
    await delay(2500);
    const answer = await ask('whose', bearer(short));
    expect([answer.status, codeOf(answer)]).toEqual([401, 'CALLER_UNKNOWN']);
    expect(world.exchange.requests.length).toBe(exchanges);
  });
});

describe('what a caller sends along', () => {
  it('reaches the server that it is for, in the header that this reads', async () => {
    const answer = await ask('own', { ...bearer(ada), [OWN]: `Bearer ${OWN_TOKEN}` });
    expect(ownerIn(answer)).toBe('itself');
    expect(JSON.parse(answer.text)).toMatchObject({ result: { headers: [] } });
    expect(world.whose.knocks.at(-1)?.authorization).toBe(`Bearer ${OWN_TOKEN}`);
  });

  it('reaches no other server', async () => {
    const answer = await ask('whose', { ...bearer(ada), [OWN]: `Bearer ${OWN_TOKEN}` });
    expect(ownerIn(answer)).toBe('ada mcp:read');
    expect(JSON.parse(answer.text)).toMatchObject({ result: { headers: [] } });
  });

  it.each([
    ['missing', undefined],
    ['bad', 'Bearer bad'],
  ])('is the server’s to refuse where it is %s: its 401 and challenge pass', async (_title, value) => {
    const answer = await ask('own', { ...bearer(ada), ...(value === undefined ? {} : { [OWN]: value }) });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    expect(world.whose.knocks.at(-1)?.authorization).toBe(value);
  });

  it('is never the token, or key, that identity verified', async () => {
    const { key } = world;
    const knocks = world.whose.knocks.length;
    for (const proof of [ada, key]) {
      for (const value of [`Bearer ${proof}`, proof, `token ${proof}`]) {
        const answer = await ask('own', { ...bearer(proof), [OWN]: value });
        expect([answer.status, codeOf(answer)]).toEqual([403, 'CALLER_TOKEN_NEEDED']);
      }
    }
    expect(world.whose.knocks).toHaveLength(knocks);
  });
});

/** What a server sees that was started for her. */
async function environmentOfChild(): Promise<string> {
  const client = new LegacyClient({ name: 'c', version: '1' });
  const requestInit = { headers: { ...bearer(ada), [OWN]: `Bearer ${OWN_TOKEN}` } };
  await client.connect(new LegacyTransport(new URL(world.urlOf('child')), { requestInit }) as Transport);
  const said = await client.callTool({ name: 'env', arguments: {} });
  await client.close();
  return JSON.stringify(said);
}

it('shows the callers’ tokens, and what was made of them, nowhere', async () => {
  const admin = await Promise.all(
    ['whoami', 'sessions', 'destinations', 'tokens', 'audit'].map(async (page) => {
      const answer = await request(`${world.drawbridge.url}/admin/v1/${page}`, { headers: bearer(world.key) });
      expect([page, answer.status]).toEqual([page, 200]);
      return answer.text;
    }),
  );
  const env = await environmentOfChild();
  expect(env).toContain('PATH');
  const metrics = await request(`${world.drawbridge.url}/metrics`, { headers: bearer(world.key) });
  const audit = await readFile(path.join(world.folder, 'audit.jsonl'), 'utf8');
  expect(audit).toContain('people:ada');
  const told = [...admin, env, metrics.text, audit, world.drawbridge.stderr(), world.drawbridge.stdout()].join('\n');
  expect(told).toContain('token.acquired');
  const secrets = [ada, world.key, bob, OWN_TOKEN, ...world.exchange.issued.keys(), ...world.xsuaa.issued.keys()];
  expect(secrets.length).toBeGreaterThan(8);
  for (const secret of secrets) expect(told.includes(secret)).toBe(false);
  for (const token of [ada, bob]) expect(told.includes(token.split('.')[2] as string)).toBe(false);
});
