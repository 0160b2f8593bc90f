import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RestRequest, RestResponse } from '../../src/contracts.js';
import { CallerProof } from '../../src/core/callerProof.js';
import { ConfigError, type CredentialError } from '../../src/core/errors.js';
import { RestError } from '../../src/core/restError.js';
import { Secret } from '../../src/core/secret.js';
import btpDestination from '../../src/credentials/btpDestination.js';
import { DestinationService } from '../../src/credentials/btpDestinationService.js';
import shorthand from '../../src/credentials/btpDestinationShorthand.js';
import { ServiceKeyFile } from '../../src/credentials/serviceKeyFile.js';
import { SteppedClock } from './steppedClock.js';
import {
  ASKING,
  createSource,
  depsWith,
  everyPrintOf,
  FakeRest,
  issuesOf,
  jsonAnswer,
  rejection,
  tokenAnswer,
} from './world.js';

const URI = 'https://destination-configuration.cfapps.eu10.hana.ondemand.com';
const UAA = 'https://provider.authentication.eu10.hana.ondemand.com';
const KEY = { clientid: 'sb-x!b1', clientsecret: 'canary$secret=', url: UAA, uri: URI };
const CRM = 'https://crm.example.com';
const { signal } = new AbortController();
const given = { file: 'key.json', destination: 'CRM', origins: [CRM] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'btp-destination-'));
  await writeFile(path.join(folder, 'key.json'), JSON.stringify(KEY));
});
afterAll(() => rm(folder, { recursive: true }));

type Answer = RestResponse | RestError;

function world(answer: Answer | ((request: RestRequest) => Answer)) {
  const provider = new FakeRest();
  const clock = new SteppedClock();
  let tokens = 0;
  provider.answer = (request) => {
    if (request.url.endsWith('/oauth/token')) return tokenAnswer(`own-${++tokens}`, 43_199);
    return typeof answer === 'function' ? answer(request) : answer;
  };
  return { provider, clock, deps: depsWith({ rest: provider.rest, clock, baseDir: folder }) };
}

/** The answer of the service for a destination with these properties. */
function found(configuration: object = {}, authTokens?: readonly object[]): RestResponse {
  const destinationConfiguration = {
    Name: 'CRM',
    Type: 'HTTP',
    URL: `${CRM}/api`,
    ProxyType: 'Internet',
    ...configuration,
  };
  return jsonAnswer(200, { owner: {}, destinationConfiguration, ...(authTokens ? { authTokens } : {}) });
}

const token = (more: object = {}) => ({
  type: 'Bearer',
  value: 'theirs',
  http_header: { key: 'Authorization', value: 'Bearer theirs' },
  expires_in: '43199',
  ...more,
});

async function shown(answer: RestResponse, options: object = {}) {
  const { deps, provider } = world(answer);
  const source = await createSource(btpDestination, { ...given, ...options }, deps);
  const got = await source.acquire(signal, ASKING);
  return { headers: source.present(got).headers, seconds: (got.expiresAt - got.obtainedAt) / 1000, provider };
}

async function failure(answer: Answer, options: object = {}): Promise<CredentialError> {
  const source = await createSource(btpDestination, { ...given, ...options }, world(answer).deps);
  const error = (await rejection(source.acquire(signal, ASKING))) as CredentialError;
  expect(error.name).toBe('CredentialError');
  expect(everyPrintOf(error)).not.toMatch(/canary|own-1/);
  return error;
}

describe('btp-destination asks', () => {
  it('XSUAA for a token of its own, then v1 for the destination', async () => {
    const { provider } = await shown(found({}, [token()]));
    const [uaa, service] = provider.requests;
    expect(uaa).toMatchObject({ method: 'POST', url: `${UAA}/oauth/token` });
    expect(Object.fromEntries(new URLSearchParams(uaa?.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: KEY.clientid,
      client_secret: KEY.clientsecret,
    });
    expect(service).toMatchObject({
      method: 'GET',
      url: `${URI}/destination-configuration/v1/destinations/CRM`,
      headers: { authorization: 'Bearer own-1' },
    });
  });

  it('v2 where a level is named, and the XSUAA of a subscriber', async () => {
    const { provider } = await shown(found({}, [token()]), { level: 'provider_subaccount', subdomain: 'acme' });
    expect(provider.requests.map(({ url }) => url)).toEqual([
      'https://acme.authentication.eu10.hana.ondemand.com/oauth/token',
      `${URI}/destination-configuration/v2/destinations/CRM@provider_subaccount`,
    ]);
  });

  it('with one token of its own for all, until that nears its end', async () => {
    const { deps, provider, clock } = world(found({}, [token()]));
    const service = new DestinationService(new ServiceKeyFile('key.json', folder), given, deps);
    const ask = () => service.find(signal, { withTokens: true });
    await Promise.all([ask(), ask(), ask()]);
    await ask();
    const tokens = () => provider.requests.filter(({ url }) => url.startsWith(UAA)).length;
    expect(tokens()).toBe(1);
    await clock.advance(43_000_000);
    await ask();
    expect(tokens()).toBe(2);
  });

  it("with each caller's own token where it is for callers", async () => {
    const { deps, provider } = world(found({}, [token()]));
    const source = await createSource(btpDestination, { ...given, for: 'caller' }, deps);
    const caller = { subject: 'corp:ada', roles: [], claims: {}, proof: new CallerProof('of-ada', 'id-of-ada', 9e9) };
    expect(source.scope).toBe('caller');
    expect(source.basis?.(caller).id).toBe('id-of-ada');
    await source.acquire(signal, { ...ASKING, caller });
    expect(provider.requests[1]?.headers).toEqual({ authorization: 'Bearer own-1', 'x-user-token': 'of-ada' });
    const without = { subject: 'keys:1', roles: [], claims: {} };
    expect(() => source.basis?.(without)).toThrow(expect.objectContaining({ code: 'CALLER_TOKEN_NEEDED' }));
  });

  it('once more with a fresh token where its own is refused, and no more than that', async () => {
    const refusing = (request: RestRequest) =>
      request.headers?.authorization === 'Bearer own-1' ? jsonAnswer(401, {}) : found({}, [token()]);
    const { deps, provider } = world(refusing);
    const source = await createSource(btpDestination, given, deps);
    expect(source.present(await source.acquire(signal, ASKING)).headers).toEqual(['Authorization', 'Bearer theirs']);
    expect(provider.requests).toHaveLength(4);
    const never = world(jsonAnswer(401, { ErrorMessage: 'No' }));
    await rejection((await createSource(btpDestination, given, never.deps)).acquire(signal, ASKING));
    expect(never.provider.requests).toHaveLength(4);
  });

  it('for a user whose token is at hand', async () => {
    const { deps, provider } = world(found({}, [token()]));
    const service = new DestinationService(new ServiceKeyFile('key.json', folder), given, deps);
    await service.find(signal, { withTokens: true, user: new Secret('of-the-user') });
    expect(provider.requests[1]?.headers).toEqual({ authorization: 'Bearer own-1', 'x-user-token': 'of-the-user' });
  });
});

describe('btp-destination shows', () => {
  it.each<[string, RestResponse, string[], number]>([
    ['the token that the service fetched', found({}, [token()]), ['Authorization', 'Bearer theirs'], 43_199],
    [
      'a token in a header of its own',
      found({}, [token({ http_header: { key: 'X-Token', value: 'theirs' } })]),
      ['X-Token', 'theirs'],
      43_199,
    ],
    [
      'a token without a header line',
      found({}, [{ type: 'Bearer', value: 'theirs', expires_in: '60' }]),
      ['Authorization', 'Bearer theirs'],
      60,
    ],
    [
      'the one that is good',
      found({}, [token({ error: 'no', value: '' }), token({ value: 'b', http_header: undefined })]),
      ['Authorization', 'Bearer b'],
      43_199,
    ],
    [
      'user and password',
      found({ Authentication: 'BasicAuthentication', User: 'me', Password: 'a:b' }),
      ['Authorization', `Basic ${Buffer.from('me:a:b').toString('base64')}`],
      300,
    ],
    [
      'user and password as the service writes them',
      found({ Authentication: 'BasicAuthentication' }, [
        { type: 'Basic', value: 'bTpw', http_header: { key: 'Authorization', value: 'Basic bTpw' } },
      ]),
      ['Authorization', 'Basic bTpw'],
      300,
    ],
    ['nothing where nothing is asked', found({ Authentication: 'NoAuthentication' }), [], 300],
    [
      'further headers, none of them twice',
      found({ 'URL.headers.ApiKey': 'k', 'URL.headers.authorization': 'no', 'URL.queries.sap-client': '100' }, [
        token(),
      ]),
      ['Authorization', 'Bearer theirs', 'ApiKey', 'k'],
      43_199,
    ],
    ['a private link', found({ ProxyType: 'PrivateLink' }, [token()]), ['Authorization', 'Bearer theirs'], 43_199],
  ])('%s', async (_name, answer, headers, seconds) => {
    expect(await shown(answer)).toMatchObject({ headers, seconds });
  });
});

describe('btp-destination says what is wrong', () => {
  const failedToken = (error: string) => [{ type: '', value: '', expires_in: '0', error }];

  it.each<[string, Answer, RegExp, RegExp]>([
    [
      'a destination that is not there',
      jsonAnswer(404, { ErrorMessage: 'Configuration with the specified name was not found' }),
      /v1\/destinations\/CRM answered 404: Configuration with the specified name was not found$/,
      /Create the destination CRM in the service's instance or the subaccount/,
    ],
    [
      'a key that may not',
      jsonAnswer(403, { ErrorMessage: 'Forbidden' }),
      /answered 403: Forbidden$/,
      /key\.json is one of the Destination service/,
    ],
    ['a fault of the service', jsonAnswer(503, {}), /answered 503/, /asked again by itself/],
    [
      'no answer',
      new RestError('timeout', 'it took too long'),
      /the Destination service https.* gave no answer/,
      /firewall/,
    ],
    [
      'an answer without a destination',
      jsonAnswer(200, { hello: 1 }),
      /answered 200: JSON without/,
      /uri in the service key/,
    ],
    [
      'a token that could not be had, inside a 200',
      found({ Authentication: 'OAuth2ClientCredentials', clientSecret: 'canary' }, failedToken('Bad credentials')),
      /the BTP destination CRM gave no token \(OAuth2ClientCredentials\): Bad credentials$/,
      /Check the destination CRM in the BTP cockpit/,
    ],
    [
      'a failure that repeats a secret',
      found({ Authentication: 'OAuth2ClientCredentials', clientSecret: 'canary' }, failedToken('sent canary')),
      /withheld/,
      /cockpit/,
    ],
    [
      'a token of a user, without one',
      found({ Authentication: 'OAuth2UserTokenExchange' }, failedToken('no user token')),
      /OAuth2UserTokenExchange\): no user token/,
      /needs the token of a user, and none is at hand/,
    ],
    [
      'a token that did not come',
      found({ Authentication: 'OAuth2SAMLBearerAssertion' }),
      /came without a token/,
      /needs the token of a user/,
    ],
    [
      'a client certificate',
      found({ Authentication: 'ClientCertificateAuthentication' }),
      /client certificate/,
      /another authentication/,
    ],
    [
      'a destination on premise',
      found({ ProxyType: 'OnPremise' }, [token()]),
      /on premise.*Cloud Connector/,
      /ProxyType Internet/,
    ],
    ['a destination for mail', found({ Type: 'MAIL' }), /of the type MAIL/, /type HTTP/],
    ['no URL', found({ URL: 'ldap://x' }), /no URL of http or https/, /cockpit/],
    [
      'user and password in the URL',
      found({ URL: 'https://canary:canary@crm.example.com' }),
      /without user and password/,
      /cockpit/,
    ],
    [
      'a URL that the operator did not list',
      found({ URL: 'https://evil.example.com/api' }, [token()]),
      /leads to https:\/\/evil\.example\.com, which this credential does not list$/,
      /origins/,
    ],
    [
      'a header that frames',
      found({ 'URL.headers.Host': 'x' }, [token()]),
      /a header that cannot be sent/,
      /URL\.headers/,
    ],
    [
      'a header of two lines',
      found({}, [token({ http_header: { key: 'A', value: 'canary\r\nB: c' } })]),
      /cannot be sent/,
      /one line/,
    ],
    [
      'half a Basic',
      found({ Authentication: 'BasicAuthentication', User: 'me' }),
      /without User and Password/,
      /cockpit/,
    ],
  ])('%s', async (_name, answer, message, mend) => {
    const error = await failure(answer);
    expect(error.message).toMatch(message);
    expect(error.mend).toMatch(mend);
  });

  it('a destination that is not at its level', async () => {
    const error = await failure(jsonAnswer(404, { ErrorMessage: 'Not found' }), { level: 'instance' });
    expect(error.mend).toMatch(/at the level instance.*no fallback between levels/);
  });

  it('a key of another service', async () => {
    const { uri: _, ...flat } = KEY;
    await writeFile(path.join(folder, 'flat.json'), JSON.stringify(flat));
    const error = await failure(found(), { file: 'flat.json' });
    expect(error.message).toBe('the service key flat.json has no uri');
  });

  it('a key that is not there, when the configuration is read', async () => {
    const create = createSource(btpDestination, { ...given, file: 'none.json' }, world(found()).deps);
    await expect(create).rejects.toThrow(ConfigError);
  });

  it.each<[string, object, RegExp]>([
    ['a name that leads out', { destination: '../x' }, /^destination: must be the name of a destination/],
    ['a subdomain that leads out', { subdomain: 'evil.example.com/' }, /^subdomain: must be a subdomain/],
    ['no origin', { origins: [] }, /^origins: /],
  ])('%s', (_name, options, issue) => {
    expect(issuesOf(btpDestination, { ...given, ...options })).toEqual([expect.stringMatching(issue)]);
  });
});

describe('the btp-destination shorthand', () => {
  async function expand(options: object, answer: Answer = found()) {
    const { deps, provider } = world(answer);
    const { origins: _, ...rest } = given;
    const expansion = await shorthand.create(shorthand.options.parse({ ...rest, ...options }), deps);
    return { ...expansion, provider };
  }

  it('takes the URL that the service says, and fetches no token for that', async () => {
    const { destination, credential, provider } = await expand({ include: ['a*'] });
    expect(destination).toEqual({ kind: 'http', url: `${CRM}/api`, include: ['a*'] });
    expect(credential).toEqual({ kind: 'btp-destination', file: 'key.json', destination: 'CRM', origins: [CRM] });
    expect(provider.requests[1]?.url).toBe(
      `${URI}/destination-configuration/v1/destinations/CRM?%24skipTokenRetrieval=true`,
    );
  });

  it.each<[string, object, object, string]>([
    ['a path of its own', {}, { URL: CRM }, `${CRM}/mcp`],
    ['another path', { path: '/tools' }, { URL: CRM }, `${CRM}/tools`],
    ['queries', {}, { 'URL.queries.sap-client': '100' }, `${CRM}/api?sap-client=100`],
  ])('adds %s', async (_name, options, configuration, url) => {
    expect((await expand(options, found(configuration))).destination).toMatchObject({ url });
  });

  it('asks nobody where the URL is written', async () => {
    const { destination, credential, provider } = await expand({ url: `${CRM}/mcp/v2`, level: 'instance' });
    expect(destination).toMatchObject({ url: `${CRM}/mcp/v2` });
    expect(credential).toMatchObject({ level: 'instance', origins: [CRM] });
    expect(provider.requests).toEqual([]);
  });

  it.each<[string, Answer, RegExp]>([
    ['that is not there', jsonAnswer(404, { ErrorMessage: 'Not found' }), /answered 404: Not found/],
    ['on premise', found({ ProxyType: 'OnPremise' }), /on premise/],
    ['without TLS', found({ URL: 'http://crm.example.com' }), /unencrypted/],
  ])('is a fault of the configuration for a destination %s', async (_name, answer, message) => {
    const error = await rejection(expand({}, answer));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).faults).toMatchObject([
      { file: 'key.json', message: expect.stringMatching(message) },
    ]);
  });
});
