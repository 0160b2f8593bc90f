import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Answer, call, callTool, codeOf, request } from '../helpers/calls.js';
import { runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { startPretty } from '../helpers/prettyDrawbridge.js';
import { rawRequest } from '../helpers/raw.js';
import { CANARY, ELSEWHERE, startCanaries } from './canaries.js';

const OF_THE_CALLER = {
  authorization: `Bearer ${CANARY}`,
  cookie: `session=${CANARY}`,
  dpop: CANARY,
  'x-sap-password': CANARY,
  'x-api-key': CANARY,
  'x-made-up-by-somebody': CANARY,
  'mcp-session-id': CANARY,
};

const CODES = [
  'CREDENTIAL_REFUSED',
  'UPSTREAM_BROKE',
  'UPSTREAM_GARBAGE',
  'UPSTREAM_UNREACHABLE',
  'CREDENTIAL_UNAVAILABLE',
  'PARSE_ERROR',
  'INVALID_TARGET_URL',
  'TARGET_NOT_ALLOWED',
  'CREDENTIAL_ORIGIN_NOT_ALLOWED',
  'CONFLICTING_DESTINATIONS',
  'HEADER_MISMATCH',
  'UNSUPPORTED_MEDIA_TYPE',
];

/** A process that logs at the debug level, and all that it said. */
interface Talking {
  readonly url: string;
  stderr(): string;
  stdout(): string;
  stop(): Promise<unknown>;
}

describe('secrets', () => {
  let canaries: Awaited<ReturnType<typeof startCanaries>>;
  let folder: string;

  beforeAll(async () => {
    canaries = await startCanaries();
    folder = await mkdtemp(path.join(tmpdir(), 'secrets-'));
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(canaries.config));
  });
  afterAll(async () => {
    await canaries?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const starts: Readonly<Record<'json' | 'pretty', () => Promise<Talking>>> = {
    json: () => startDrawbridge(canaries.config, { args: ['--log-level', 'debug'] }),
    pretty: () => startPretty(['-c', path.join(folder, 'config.json'), '--port', '0', '--log-level', 'debug']),
  };

  it.each(['json', 'pretty'] as const)(
    'show in no line of a %s log and in no answer, whatever fails',
    async (format) => {
      const drawbridge = await starts[format]();
      const answers = await provoke(drawbridge.url, Object.keys(canaries.config.destinations)).finally(drawbridge.stop);
      const served = answers.filter(({ code }) => code === undefined).map(({ of }) => of);
      expect(served.sort()).toEqual([...canaries.served].sort());
      expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([undefined, ...CODES]));
      const told = answers.map(({ of, answer }) => `${of}: ${answer.text} ${JSON.stringify([...answer.headers])}`);
      expect(canaries.leaksIn(told.join('\n'))).toEqual([]);
      expect(canaries.leaksIn(drawbridge.stderr())).toEqual([]);
      expect(drawbridge.stdout()).toBe('');
    },
  );

  it('leave the names of their headers in a log at the debug level', async () => {
    const drawbridge = await startDrawbridge(canaries.config, { args: ['--log-level', 'debug'] });
    await callTool(`${drawbridge.url}/mcp/secret-in-form`, 'echo', OF_THE_CALLER);
    const { headers } = await drawbridge.record(({ signal }) => signal === 'exchange.headers');
    await drawbridge.stop();
    const redacted = Object.keys(OF_THE_CALLER).map((name) => [name, '[redacted]']);
    expect(headers).toMatchObject({ ...Object.fromEntries(redacted), 'content-type': 'application/json' });
  });

  it('show in no fault of a configuration', async () => {
    const client = { kind: 'client-credentials', clientId: 'jobs', clientSecret: CANARY, clientSecrett: CANARY };
    const withUser = `https://canary-user:${encodeURIComponent(CANARY)}@localhost/`;
    const run = await runDrawbridge(
      {
        destinations: { a: { kind: 'http', url: withUser, headers: { 'x y': CANARY } } },
        credentials: {
          b: { ...client, tokenUrl: withUser, origins: [withUser] },
          c: { kind: 'static', token: CANARY, value: CANARY, origins: ['https://localhost'] },
          d: { kind: 'signed-jwt', privateKey: CANARY, issuer: 'i', subject: 's', audience: 'a', origins: [] },
          e: { ...client, authentication: CANARY },
        },
      },
      ['--header', `Authorization ${CANARY}`, '--url', withUser],
    );
    expect((await run.exited).code).toBe(2);
    expect(run.stderr().split('\n').length).toBeGreaterThan(8);
    expect(canaries.leaksIn(run.stderr() + run.stdout())).toEqual([]);
  });
});

interface Provoked {
  readonly of: string;
  readonly answer: Answer;
  readonly code: string | undefined;
}

/** Every way to fail, by a caller who has a secret in each of its own headers and in its query. */
async function provoke(url: string, destinations: readonly string[]): Promise<Provoked[]> {
  const query = `?key=${encodeURIComponent(CANARY)}`;
  const at = `${url}/mcp/secret-in-form${query}`;
  const post = { method: 'POST', headers: { 'content-type': 'application/json', ...OF_THE_CALLER } };
  const ping = (headers: Record<string, string>) => call(at, 'ping', {}, { ...OF_THE_CALLER, ...headers });
  const tools = destinations
    .filter((name) => name !== 'web')
    .map((name) => [name, callTool(`${url}/mcp/${name}${query}`, 'echo', OF_THE_CALLER)] as const);
  const others = Object.entries({
    website: request(`${url}/page${query}`, { headers: OF_THE_CALLER }),
    unparsable: request(at, { ...post, body: `{"key": "${CANARY}` }),
    mediaType: request(at, { ...post, headers: { ...OF_THE_CALLER, 'content-type': 'text/plain' }, body: CANARY }),
    withUser: ping({ 'x-mcp-url': `https://canary-user:${encodeURIComponent(CANARY)}@localhost/` }),
    unlisted: ping({ 'x-target-url': `http://localhost:1/${query}` }),
    listed: ping({ 'x-target-url': `${ELSEWHERE}/${query}` }),
    contradiction: ping({ 'x-btp-destination': 'token' }),
    mismatch: ping({ 'mcp-method': 'tools/list' }),
  });
  const answers = await Promise.all([...tools, ...others].map(async ([of, answer]) => ({ of, answer: await answer })));
  await rawRequest(Number(new URL(url).port), `GET / HTTP/1.1\r\nHost: localhost\r\nX-Key : ${CANARY}\r\n\r\n`);
  return answers.map((each) => ({ ...each, code: each.answer.text === '' ? undefined : codeOf(each.answer) }));
}
