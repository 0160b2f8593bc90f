import * as z from 'zod';
import type { Clock, Signals } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { parsedOrNothing } from '../core/json.js';
import { RestError } from '../core/restError.js';
import { httpUrl } from '../core/schema.js';
import type { Endpoints } from './authorizationServer.js';
import type { GrantCalls } from './grantCalls.js';
import type { Person } from './keptTokens.js';
import { type Granted, refusal, TokenRefusal } from './tokenAnswer.js';

/** A login on a device of the person's own choice (RFC 8628). */
export interface DeviceLogin {
  readonly calls: GrantCalls;
  readonly clock: Clock;
  readonly signals: Signals;
  /** The credential. */
  readonly name: string;
  /** True where one person logs in for everybody: then whoever reads the log may be that person. */
  readonly forAll: boolean;
  readonly scope: string | undefined;
  /** Of the device authorization request; an absent value isn't sent. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
}

const SECOND = 1000;
/** Where the provider doesn't say (RFC 8628 section 3.2). Seconds. */
const DEFAULT_INTERVAL = 5;
const MOST_INTERVAL = 60;
/** However long the provider would wait. Seconds. */
const MOST_LIFE = 3600;

const answerShape = z.object({
  device_code: z.string().min(1),
  /** It is told to people, in a line of its own making. */
  user_code: z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/),
  verification_uri: httpUrl(),
  verification_uri_complete: httpUrl().optional().catch(undefined),
  expires_in: z.coerce.number().positive(),
  interval: z.coerce.number().nonnegative().optional().catch(undefined),
});

type Begun = z.infer<typeof answerShape>;

/** A person is told an address and a code, and the token endpoint asked until they have logged in. Rejects with a CredentialError. */
export async function logInByDevice(login: DeviceLogin, { asks }: Person): Promise<Granted> {
  const begun = await begin(login);
  const { verification_uri: page, verification_uri_complete: complete, user_code: code, expires_in: life } = begun;
  tell(login, begun);
  const granted = poll(login, begun, Math.min(life, MOST_LIFE) * SECOND);
  asks({ address: complete ?? page, done: granted, userCode: code });
  const token = await granted;
  // RFC 6749 section 5.1: nothing said is what was asked for.
  return token.scope === undefined && login.scope !== undefined ? { ...token, scope: login.scope } : token;
}

async function begin({ calls, clock, scope, parameters }: DeviceLogin): Promise<Begun> {
  const endpoints = await calls.endpoints();
  const { answer, asked } = await calls.ask(endpoints, deviceEndpoint(endpoints), { ...parameters, scope });
  if (answer.status !== 200) throw refusal(answer, asked, clock.now());
  const begun = answerShape.safeParse(parsedOrNothing(answer.body));
  if (begun.success) return begun.data;
  throw new CredentialError(
    `${asked.endpoint} gave no code that a person could enter`,
    'Check deviceUrl: it must be the device authorization endpoint itself (RFC 8628).',
  );
}

function deviceEndpoint({ deviceUrl, issuer = 'the provider' }: Endpoints): URL {
  if (deviceUrl) return deviceUrl;
  const mend = 'Have the provider allow the device grant (RFC 8628), or choose another grant.';
  throw new CredentialError(`the metadata of ${issuer} names no device authorization endpoint`, mend);
}

function tell({ signals, name, forAll }: DeviceLogin, begun: Begun): void {
  const { verification_uri: page, verification_uri_complete: complete, user_code: userCode, expires_in: life } = begun;
  const where = forAll ? { url: (complete ?? page).href, userCode } : {};
  signals.emit('login.device', { credential: name, server: page.origin, ...where, expiresInS: Math.round(life) });
}

/** RFC 8628 section 3.5. */
async function poll(
  { calls, clock }: DeviceLogin,
  { device_code: code, interval = DEFAULT_INTERVAL }: Begun,
  lifeMs: number,
): Promise<Granted> {
  const until = clock.monotonic() + lifeMs;
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: code };
  let seconds = Math.min(MOST_INTERVAL, Math.max(1, interval));
  while (clock.monotonic() < until) {
    await clock.sleep(Math.min(seconds * SECOND, Math.max(0, until - clock.monotonic())));
    try {
      return await calls.token(grant, [code]);
    } catch (error) {
      seconds = Math.min(MOST_INTERVAL, slower(error, seconds));
    }
  }
  throw tooLate();
}

/** How long to wait before the next time, in seconds; throws what ends the login. */
function slower(error: unknown, seconds: number): number {
  if (!(error instanceof TokenRefusal)) {
    if (error instanceof CredentialError && error.cause instanceof RestError) return seconds * 2;
    throw error;
  }
  if (error.code === 'authorization_pending') return seconds;
  if (error.code === 'slow_down') return seconds + 5;
  if (error.code === 'expired_token') throw tooLate();
  if (error.code === 'access_denied') {
    const mend = 'Log in again, with an account that may use this server.';
    throw new CredentialError('the login was refused: access_denied', mend);
  }
  if (error.status >= 500 || error.status === 429) return seconds * 2;
  throw error;
}

function tooLate(): CredentialError {
  return new CredentialError('nobody logged in in time', 'Repeat the call.');
}
