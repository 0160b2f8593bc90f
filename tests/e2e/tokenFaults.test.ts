import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type RawAnswer, rawRequest } from '../helpers/raw.js';
import { type Provider, type Seen, sendJson, startTokenServer } from '../helpers/tokenServer.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectRefusal, hintOf, messageOf } from './refusals.js';
import { call, post } from './requests.js';

/** Token endpoints in trouble. Each trouble is a provider with a credential and a destination of its own. */
const SECRET = 'canary-secret+/=&%';
const TOKEN = 'canary-token';

type Answer = (response: ServerResponse, seen: Seen) => void;

const issue: Answer = (response) => sendJson(response, 200, { access_token: TOKEN, expires_in: '43199' });
const say = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer => {
  return (response) => void response.writeHead(status, headers).end(body);
};
const error = (status: number, code: string): Answer => {
  return (response) => sendJson(response, status, { error: code, error_description: 'it says why' });
};
const repeatSecret: Answer = (response, { body }) => sendJson(response, 400, { error: 'invalid_request', echo: body });
const describeSecret: Answer = (response, { body }) => {
  const said = new URLSearchParams(body).get('client_secret');
  sendJson(response, 401, { error: 'invalid_client', error_description: `${said} is wrong` });
};

/** Whoever answers so gets no second request for a while, and its callers a 502. */
const TROUBLES: Readonly<Record<string, Answer>> = {
  'an HTML page': say(200, '<!doctype html><title>Log in</title>', { 'Content-Type': 'text/html' }),
  'an empty body': say(200, ''),
  'nothing at all': say(204, ''),
  'half a JSON text': say(200, '{"access_token": "'),
  'JSON that is no object': say(200, '["token"]'),
  'JSON without a token': say(200, '{"token_type":"bearer"}'),
  'a token that is no text': say(200, '{"access_token":{}}'),
  'a token with a line break': say(200, '{"access_token":"a\\r\\nX-Evil: 1"}'),
  'a token of another type': say(200, '{"access_token":"abc","token_type":"mac"}'),
  'two megabytes': say(200, ' '.repeat(2 * 1024 * 1024)),
  'an unknown client': error(401, 'invalid_client'),
  'a forbidden client': error(403, 'access_denied'),
  'a forbidden scope': error(400, 'invalid_scope'),
  'the secret, in its words': describeSecret,
  'the secret, elsewhere': repeatSecret,
  'its own fault': say(500, 'java.lang.NullPointerException\n\tat com.example.Token(Token.java:7)'),
  'its being down': say(503, '<h1>Service Unavailable</h1>'),
  'a broken connection': (response) => void response.destroy(),
};

let upstream: Upstream;
let elsewhere: Upstream;
let drawbridge: Drawbridge;
let hung: Promise<RawAnswer>;
const providers = new Map<string, Provider>();
/** What a provider answers from now on, where that isn't its trouble. */
const answers = new Map<string, Answer>();

beforeAll(async () => {
  [upstream, elsewhere] = await Promise.all([startUpstream(json({ ok: true })), startUpstream(json({}))]);
  const cases: Record<string, Answer> = {
    redirects: say(302, '', { Location: `${elsewhere.origin}/token` }),
    limits: say(429, 'slow down', { 'Retry-After': '2' }),
    heals: say(500, ''),
    crowded: slowly(say(500, '')),
    hangs: () => {},
    well: issue,
  };
  for (const [name, answer] of Object.entries({ ...TROUBLES, ...cases })) {
    answers.set(nameOf(name), answer);
    providers.set(nameOf(name), await startProvider(nameOf(name)));
  }
  drawbridge = await startDrawbridge({
    destinations: entries((name) => ({ kind: 'http', url: upstream.url, credential: name })),
    credentials: entries((name) => ({
      kind: 'client-credentials',
      tokenUrl: providers.get(name)?.tokenUrl,
      clientId: 'drawbridge',
      clientSecret: SECRET,
      origins: [upstream.origin],
    })),
  });
  // It takes as long as a token request may take, so it goes first.
  hung = rawRequest(drawbridge.port, post('/mcp/hangs', call(1)), { timeoutMs: 20_000 });
  hung.catch(() => {});
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([upstream, elsewhere, ...providers.values()].map((server) => server?.close()));
});

const ask = (destination: string, id: string | number = 1) =>
  rawRequest(drawbridge.port, post(`/mcp/${destination}`, call(id)));

describe('a token endpoint that answers', () => {
  it.each(Object.keys(TROUBLES))('%s', async (trouble) => {
    expectUnavailable(await ask(nameOf(trouble)), nameOf(trouble));
    expect(providers.get(nameOf(trouble))?.requests).toHaveLength(1);
  });

  it('a redirect to another host: it is not followed', async () => {
    const answer = await ask('redirects');
    expectUnavailable(answer, 'redirects');
    expect(hintOf(answer)).toContain('tokenUrl');
    expect([elsewhere.connections, elsewhere.requests]).toEqual([0, []]);
  });

  it('expires_in as text: it is understood', async () => {
    expect((await ask('well')).status).toBe(200);
    expect(upstream.requests[0]?.header('authorization')).toBe(`Bearer ${TOKEN}`);
    const record = await drawbridge.record((each) => each.signal === 'token.acquired' && each.credential === 'well');
    expect(record.expiresInS).toBe(43_199);
  });

  it('429: it is asked again once its Retry-After is over, not before', async () => {
    const provider = providers.get('limits');
    const startedAt = Date.now();
    const first = await ask('limits');
    expectUnavailable(first, 'limits');
    expect(first.header('retry-after')).toBe('2');
    answers.set('limits', issue);
    expectUnavailable(await ask('limits'), 'limits');
    await sleep(startedAt + 1800 - Date.now());
    expectUnavailable(await ask('limits'), 'limits');
    expect(provider?.requests).toHaveLength(1);
    await sleep(startedAt + 2200 - Date.now());
    expect((await ask('limits')).status).toBe(200);
    expect(provider?.requests).toHaveLength(2);
  });
});

describe('a token endpoint in trouble', () => {
  it('is left alone meanwhile, and asked again when it may be well', async () => {
    const first = await ask('heals');
    expectUnavailable(first, 'heals');
    answers.set('heals', issue);
    await sleep(Number(first.header('retry-after')) * 1000);
    expect((await ask('heals')).status).toBe(200);
    expect((await ask('heals')).status).toBe(200);
    expect(providers.get('heals')?.requests).toHaveLength(2);
  });

  it('is no matter of other destinations', async () => {
    expect((await ask('well')).status).toBe(200);
    expect(providers.get('well')?.requests).toHaveLength(1);
  });

  it('is asked once by twenty callers at once, and each gets the reason under its own id', async () => {
    const callers = await crowd();
    for (const [index, answer] of callers.entries()) expectUnavailable(answer, 'crowded', index);
    expect(providers.get('crowded')?.requests).toHaveLength(1);
    await sleep(Number(callers[0]?.header('retry-after')) * 1000);
  });

  it('that came back is asked once by twenty callers at once, and each gets its answer', async () => {
    answers.set('crowded', slowly(issue));
    const callers = await crowd();
    expect(callers.map(({ status }) => status)).toEqual(callers.map(() => 200));
    expect(callers.map(({ body }) => (JSON.parse(body.toString()) as { id: number }).id)).toEqual([...callers.keys()]);
    expect(providers.get('crowded')?.requests).toHaveLength(2);
  });

  it('that hangs keeps nobody waiting for ever', async () => {
    expectUnavailable(await hung, 'hangs');
    expect(providers.get('hangs')?.requests).toHaveLength(1);
  });

  it('leaves neither secret nor token in the log', () => {
    expect(drawbridge.stderr()).not.toContain(SECRET);
    expect(drawbridge.stderr()).not.toContain(encodeURIComponent(SECRET));
    expect(drawbridge.stderr()).not.toContain(TOKEN);
  });
});

function expectUnavailable(answer: RawAnswer, destination: string, id: string | number = 1): void {
  expectRefusal(answer, { status: 502, code: 'CREDENTIAL_UNAVAILABLE', id });
  expect(messageOf(answer)).toContain(`no token for ${destination} `);
  expect(Number(answer.header('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(answer.header('www-authenticate')).toBeUndefined();
  expect(answer.body.toString()).not.toContain('canary');
  expect(upstream.requests).toEqual([]);
}

function crowd(): Promise<RawAnswer[]> {
  return Promise.all(Array.from({ length: 20 }, (_, id) => ask('crowded', id)));
}

function slowly(answer: Answer): Answer {
  return async (response, seen) => {
    await sleep(200);
    answer(response, seen);
  };
}

function startProvider(name: string): Promise<Provider> {
  return startTokenServer({
    tokenPath: '/token',
    handler: () => (_request, response, seen) => answers.get(name)?.(response, seen),
  });
}

function nameOf(trouble: string): string {
  return trouble.replaceAll(/[ ,]+/g, '-');
}

function entries(entry: (name: string) => object): object {
  return Object.fromEntries([...providers.keys()].map((name) => [name, entry(name)]));
}
