import type { RestResponse } from '../../src/contracts.js';
import { RestError } from '../../src/core/restError.js';
import kind from '../../src/credentials/deviceCode.js';
import { ask, ORIGINS, PLACE, peopleWorld, wanted } from './peopleWorld.js';
import { SteppedClock, settle } from './steppedClock.js';
import { issuesOf, jsonAnswer, rejection, tokenAnswer } from './world.js';

const OPTIONS = {
  deviceUrl: `${PLACE}/device`,
  tokenUrl: `${PLACE}/token`,
  clientId: 'tv',
  scope: 'tools',
  resource: 'https://mcp.example.com',
};
const BEGUN = {
  device_code: 'canary-device-code',
  user_code: 'WDJB-MJHT',
  verification_uri: `${PLACE}/activate`,
  expires_in: 600,
  interval: 5,
};

type Answer = RestResponse | RestError;
const pending = jsonAnswer(400, { error: 'authorization_pending' });

/** A provider that says these to those who ask for the token, one after the other, the last one for ever. */
function world(answers: Answer[], begun: object = BEGUN) {
  const clock = new SteppedClock();
  const here = peopleWorld('device-code', OPTIONS, { clock });
  here.provider.answer = ({ url }) => {
    if (url === OPTIONS.deviceUrl) return jsonAnswer(200, begun);
    return (answers.length > 1 ? answers.shift() : answers[0]) as Answer;
  };
  const polls = () => here.provider.requests.filter(({ url }) => url === OPTIONS.tokenUrl).length;
  return { ...here, clock, polls };
}

/** The first call, up to its answer. */
async function told(here: ReturnType<typeof world>, options: object = {}) {
  const source = await here.source(options);
  const first = wanted(source);
  await settle();
  await here.clock.advance(0);
  return { source, login: await first };
}

describe('device-code', () => {
  it('tells a person where to go and what to enter, in the answer and in the log', async () => {
    const here = world([pending]);
    const { login } = await told(here);
    expect([login.url, login.userCode]).toEqual([`${PLACE}/activate`, 'WDJB-MJHT']);
    expect(login.mend).toBe(
      `Open ${PLACE}/activate in a browser, enter the code WDJB-MJHT and log in; then repeat the call.`,
    );
    const where = { url: `${PLACE}/activate`, userCode: 'WDJB-MJHT' };
    expect(here.deps.signals.named('login.device')).toEqual([
      { credential: 'test', server: PLACE, ...where, expiresInS: 600 },
    ]);
    expect(here.provider.form(0)).toEqual({ client_id: 'tv', scope: 'tools', resource: OPTIONS.resource });
  });

  it('gives the address that has the code in it, where there is one', async () => {
    const complete = `${PLACE}/activate?user_code=WDJB-MJHT`;
    const { login } = await told(world([pending], { ...BEGUN, verification_uri_complete: complete }));
    expect(login.url).toBe(complete);
  });

  it('leaves the address of a caller to that caller', async () => {
    const here = world([pending]);
    const source = await here.source({ for: 'caller' });
    const first = wanted(source, { owner: { subject: 'ada' } });
    await settle();
    await here.clock.advance(0);
    await first;
    expect(here.deps.signals.named('login.device')).toEqual([{ credential: 'test', server: PLACE, expiresInS: 600 }]);
  });

  it('asks as often as it may, and slower when told so, until the person is done', async () => {
    const slowDown = jsonAnswer(400, { error: 'slow_down' });
    const here = world([pending, slowDown, pending, tokenAnswer('token')]);
    const { source } = await told(here);
    const seen: number[] = [];
    for (const ms of [4999, 1, 4999, 1, 9999, 1, 9999, 1]) {
      await here.clock.advance(ms);
      seen.push(here.polls());
    }
    expect(seen).toEqual([0, 1, 1, 2, 2, 3, 3, 4]);
    expect(await ask(source)).toBe('token');
    expect(here.provider.form(-1)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: 'canary-device-code',
      client_id: 'tv',
    });
    expect(here.deps.signals.named('login.device')).toHaveLength(1);
  });

  it('holds out while the provider is away', async () => {
    const here = world([new RestError('timeout', 'slow'), jsonAnswer(503, {}), tokenAnswer('token')]);
    const { source } = await told(here);
    for (const ms of [5000, 10_000, 20_000]) await here.clock.advance(ms);
    expect(await ask(source)).toBe('token');
  });

  it.each<[string, string]>([
    ['access_denied', 'the login was refused: access_denied'],
    ['expired_token', 'nobody logged in in time'],
    ['invalid_client', 'answered 400: invalid_client'],
  ])('ends where the provider says %s, and the next call begins anew', async (error, message) => {
    const here = world([jsonAnswer(400, { error })]);
    here.desk.waitMs = 60_000;
    const source = await here.source();
    for (const begun of [1, 2]) {
      const ended = rejection(ask(source));
      await settle();
      expect(here.deps.signals.named('login.device')).toHaveLength(begun);
      await here.clock.advance(5000);
      expect((await ended).message).toContain(message);
    }
  });

  it('gives up when the code has ended', async () => {
    const here = world([pending], { ...BEGUN, expires_in: 12 });
    here.desk.waitMs = 60_000;
    const ended = rejection(ask(await here.source()));
    await settle();
    for (const ms of [5000, 5000, 2000]) await here.clock.advance(ms);
    expect((await ended).message).toBe('nobody logged in in time');
    expect(here.polls()).toBe(3);
  });

  it.each<[string, object]>([
    ['no address', { verification_uri: undefined }],
    ['an address of another kind', { verification_uri: 'javascript:alert(1)' }],
    ['a code in several lines', { user_code: 'A\nB' }],
    ['no device code', { device_code: undefined }],
  ])('refuses an answer with %s', async (_what, more) => {
    const here = world([pending], { ...BEGUN, ...more });
    expect((await rejection(ask(await here.source()))).message).toContain('no code that a person could enter');
  });

  it('shows no device code in an error', async () => {
    const here = world([jsonAnswer(400, { error: 'odd', error_description: 'canary-device-code' })]);
    here.desk.waitMs = 60_000;
    const ended = rejection(ask(await here.source()));
    await settle();
    await here.clock.advance(5000);
    expect((await ended).message).toContain('withheld');
  });

  it('wants an issuer, or both endpoints', () => {
    const given = { clientId: 'a', origins: ORIGINS };
    expect(issuesOf(kind, given)).toHaveLength(2);
    expect(issuesOf(kind, { ...given, issuer: PLACE })).toEqual([]);
  });
});
