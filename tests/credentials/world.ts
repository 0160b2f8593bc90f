import { inspect } from 'node:util';
import type {
  Asking,
  CredentialDeps,
  CredentialSource,
  Kind,
  Logins,
  RestRequest,
  RestResponse,
} from '../../src/contracts.js';
import { RestError } from '../../src/core/restError.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { FakeSignals } from '../helpers/fakes.js';
import { SteppedClock } from './steppedClock.js';

/** A control client whose answers are written by the test. */
export class FakeRest {
  readonly requests: RestRequest[] = [];
  answer: (request: RestRequest) => RestResponse | RestError | Promise<RestResponse> = () => tokenAnswer('token');

  rest = async (request: RestRequest): Promise<RestResponse> => {
    this.requests.push(request);
    const answer = await this.answer(request);
    if (answer instanceof RestError) throw answer;
    return answer;
  };
}

export function jsonAnswer(status: number, body: unknown, headers: Record<string, string> = {}): RestResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function tokenAnswer(access_token: string, expires_in: unknown = 3600): RestResponse {
  return jsonAnswer(200, { access_token, token_type: 'bearer', expires_in });
}

/** There is no browser, and nobody before it. */
const nobody: Logins = {
  waitMs: 0,
  present: false,
  redirectUri: () => new URL('http://localhost:1/oauth/callback'),
  begin: () => Promise.reject(new Error('nobody can log in')),
};

/** By the gateway itself. */
export const ASKING: Asking = { owner: null, url: new URL('https://mcp.example.com/mcp') };

export function depsWith(given: Partial<CredentialDeps>): CredentialDeps {
  const { rest } = new FakeRest();
  const house = { name: 'test', clock: new SteppedClock(), signals: new FakeSignals(), baseDir: '/nowhere', rest };
  return { ...house, vault: new MemoryVault(), logins: nobody, fetchFor: () => fetch, ...given };
}

/** Options as a configuration has them, through the kind's own schema. */
export function createSource<Options>(
  kind: Kind<CredentialSource, Options, CredentialDeps>,
  options: unknown,
  deps: CredentialDeps,
): Promise<CredentialSource> {
  return Promise.resolve(kind.create(kind.options.parse(options), deps));
}

/** The issues of options that a kind refuses, as `path: message`. */
export function issuesOf(kind: { options: Kind<unknown>['options'] }, options: unknown): string[] {
  const result = kind.options.safeParse(options);
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

/** Whatever a log, a debugger or a reply could make of a value. */
export function everyPrintOf(value: unknown): string {
  const chain =
    value instanceof Error ? [value.message, value.stack, JSON.stringify({ ...value }), everyPrintOf(value.cause)] : [];
  return [inspect(value, { depth: 20, showHidden: true }), JSON.stringify(value) ?? '', String(value), ...chain].join(
    '\n',
  );
}

/** What a promise rejects with. */
export async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it should have been rejected');
}
