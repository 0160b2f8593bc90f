import { callTool } from '../helpers/calls.js';
import { sequence } from '../helpers/sequence.js';
import { type Handler, json, type Seen, status, type Upstream } from '../helpers/upstreamFixture.js';
import { type Place, startWorld, type World } from './world.js';

/** What a caller proves itself with, towards somebody else than the upstream. */
const SECRETS = {
  authorization: 'Bearer of-the-caller',
  cookie: 'session=of-the-caller',
  dpop: 'proof-of-the-caller',
  'proxy-authorization': 'Basic of-the-caller',
  'proxy-anything': 'of-the-caller',
};

const ROUTING = { 'x-sap-destination': 'closed', 'x-target-url': '' };

describe('what is kept apart', () => {
  let world: World<'closed' | 'open' | 'bare' | 'red' | 'blue'>;

  beforeAll(async () => {
    world = await startWorld({
      closed: {},
      open: { options: { forward: ['Cookie', 'dpop', 'proxy-anything'] } },
      bare: { options: { credential: undefined, forward: ['authorization'] } },
      red: {},
      blue: {},
    });
  });
  afterAll(() => world?.close());

  it("keeps the caller's secrets and our own headers from the upstream", async () => {
    const seen = await seenAfter('closed', { ...SECRETS, ...ROUTING, 'x-kept': 'yes' });
    const names = [...Object.keys(SECRETS), ...Object.keys(ROUTING), 'x-kept'];
    expect(headersOf(seen, names)).toEqual({
      authorization: `Bearer ${world.places.closed.issuer.tokens[0]}`,
      'x-kept': 'yes',
    });
  });

  it('forwards those that the destination names, but never over its credential', async () => {
    const { issuer } = world.places.open;
    expect(headersOf(await seenAfter('open', SECRETS), Object.keys(SECRETS))).toEqual({
      authorization: `Bearer ${issuer.tokens[0]}`,
      cookie: SECRETS.cookie,
      dpop: SECRETS.dpop,
      'proxy-anything': SECRETS['proxy-anything'],
    });
    const { authorization } = SECRETS;
    expect(headersOf(await seenAfter('bare', SECRETS), Object.keys(SECRETS))).toEqual({ authorization });
  });

  it("never shows one destination's token to another, in two hundred calls amid which all tokens are revoked", async () => {
    const random = sequence(20260728);
    const names = Array.from({ length: 200 }, () => (random() < 0.5 ? 'red' : 'blue'));
    for (const name of ['red', 'blue'] as const) revokeAfter(40, world.places[name], json({ name }));
    const call = (name: string) => callTool(`${world.drawbridge.url}/mcp`, 'echo', { 'x-btp-destination': name });
    const answers = await Promise.all(names.map(call));

    expect(answers.map(({ text }) => text)).toEqual(
      names.map((name) => JSON.stringify({ jsonrpc: '2.0', id: 1, result: { name } })),
    );
    for (const name of ['red', 'blue'] as const) {
      const { issuer, upstream } = world.places[name];
      expect(new Set(upstream.requests.map(tokenOf))).toEqual(new Set(issuer.tokens));
      expect(issuer.tokens).toHaveLength(2);
    }
  });

  async function seenAfter(name: 'closed' | 'open' | 'bare', headers: Record<string, string>): Promise<Seen> {
    const { url, upstream }: { url: string; upstream: Upstream } = world.places[name];
    expect((await callTool(url, 'echo', headers)).status).toBe(200);
    return upstream.arrived(1);
  }
});

/** Answers who shows a token of that place's own; with the `count`th request, all tokens that there are lose their worth. */
function revokeAfter(count: number, { issuer, upstream }: Place, answer: Handler): void {
  const revoked = new Set<string>();
  upstream.handler = (seen, response, incoming) => {
    if (upstream.requests.length === count) for (const token of issuer.tokens) revoked.add(token);
    const good = issuer.accepts(tokenOf(seen)) && !revoked.has(tokenOf(seen));
    return (good ? answer : status(401))(seen, response, incoming);
  };
}

function headersOf(seen: Seen, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(
    names.map((name) => [name, seen.header(name)] as const).filter(([, value]) => value !== undefined),
  );
}

function tokenOf(seen: Seen): string {
  return seen.header('authorization')?.replace(/^Bearer /, '') ?? '';
}
