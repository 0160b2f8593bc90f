import type { AuthBroker, Route } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { createAuthBroker } from '../../src/credentials/authBroker.js';
import kind from '../../src/credentials/clientCredentials.js';
import { createMemoryStore } from '../../src/stores/memory.js';
import { createRest } from '../../src/wire/rest.js';
import { FakeSignals, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import type { Provider, Trouble } from '../helpers/tokenServer.js';
import { startXsuaaLike } from '../helpers/xsuaaLike.js';
import { createSource, depsWith, everyPrintOf, rejection } from './world.js';

const ORIGIN = 'https://mcp.example.com';
const SECRET = 'canary-77$Zm9v=';

describe('the broker at a real token endpoint', () => {
  let provider: Provider;
  let broker: AuthBroker;
  let signals: FakeSignals;
  const rest = createRest({ deadlineMs: 2_000 });

  beforeEach(async () => {
    provider = await startXsuaaLike({ clientId: 'jobs', clientSecret: SECRET });
    const options = { tokenUrl: provider.tokenUrl, clientId: 'jobs', clientSecret: SECRET, origins: [ORIGIN] };
    const source = await createSource(kind, options, depsWith({ rest, clock: systemClock }));
    signals = new FakeSignals();
    broker = createAuthBroker({
      sources: new Map([['jobs', source]]),
      store: createMemoryStore(),
      clock: systemClock,
      signals,
    });
  });

  afterEach(async () => {
    await broker.close();
    await provider.close();
  });

  const route = { destination: 'jobs', url: new URL(ORIGIN) } as Route;
  const ask = async () => broker.credential('jobs', fakeExchange(fakeInbound('/mcp'), { route }), ORIGIN);

  it('asks once for two hundred first calls', async () => {
    const credentials = await Promise.all(Array.from({ length: 200 }, ask));
    expect(new Set(credentials.map(({ token }) => token.value)).size).toBe(1);
    expect(provider.requests).toHaveLength(1);
    const [token] = credentials.map((credential) => credential.token);
    expect((token?.expiresAt ?? 0) - (token?.obtainedAt ?? 0)).toBe(43_199_000);
  });

  it('asks once more for all whose token was refused', async () => {
    const credentials = await Promise.all(Array.from({ length: 50 }, ask));
    const replayed = await Promise.all(
      credentials.map((credential) => {
        broker.reject('jobs', credential);
        return ask();
      }),
    );
    expect(new Set(replayed.map(({ token }) => token.value)).size).toBe(1);
    expect(provider.requests).toHaveLength(2);
  });

  it('understands an expiry in text', async () => {
    provider.misbehave('text-expiry');
    const { token } = await ask();
    expect(token.expiresAt - token.obtainedAt).toBe(43_199_000);
  });

  it.each<[Trouble, RegExp, number]>([
    ['html', /answered 200: an HTML or XML page/, 2],
    ['empty', /answered 200: an empty body/, 2],
    ['garbage', /answered 200: a body that is not a JSON object/, 2],
    ['no-token', /answered 200: JSON without an access_token/, 2],
    ['redirect', /answered 302: a redirect, which is not followed/, 2],
    ['limit', /answered 429: an empty body/, 7],
    ['broken', /answered 500: a body that is not a JSON object/, 2],
    ['hang', /gave no answer: http:\/\/127\.0\.0\.1:\d+ took too long/, 2],
    ['close', /gave no answer: no answer from http:\/\/127\.0\.0\.1:\d+ \(ECONNRESET\)/, 2],
  ])('reports %s to everybody and asks once', async (trouble, words, retryAfter) => {
    provider.misbehave(trouble);
    const errors = await Promise.all(Array.from({ length: 20 }, () => rejection(ask())));
    expect(provider.requests).toHaveLength(1);
    for (const error of errors)
      expect(error).toMatchObject({ code: 'CREDENTIAL_UNAVAILABLE', message: expect.stringMatching(words) });
    expect(errors[0]).toMatchObject({ retryAfter: expect.any(Number), hint: expect.stringMatching(/\.$/) });
    expect((errors[0] as unknown as { retryAfter: number }).retryAfter).toBeLessThanOrEqual(retryAfter);
    expect(everyPrintOf([errors, signals.emitted])).not.toContain('canary');
  });

  it('reports a port where nobody listens any more', async () => {
    await provider.close();
    expect(await rejection(ask())).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
  });
});
