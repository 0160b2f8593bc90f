import type { CredentialDeps, CredentialSource, Kind, Logins } from '../../src/contracts.js';
import { LoginRequired } from '../../src/core/errors.js';
import { kinds } from '../../src/kinds.js';
import { MemoryVault } from '../../src/stores/vault.js';
import { FakeClock, FakeSignals } from '../helpers/fakes.js';
import { ASKING, createSource, depsWith, FakeRest, jsonAnswer, rejection } from './world.js';

export const PLACE = 'https://idp.example.com';
export const ORIGINS = ['https://mcp.example.com'];

interface Begun {
  readonly address: URL;
  readonly redirectUri: URL;
  readonly state: string;
  resolve(said: { code: string; iss?: string }): void;
  reject(error: Error): void;
}

/** People in the test's hands: they are told addresses, and come back when the test says so. */
export class Desk implements Logins {
  waitMs = 0;
  present = false;
  readonly begun: Begun[] = [];
  /** Ports that somebody else listens on. */
  readonly taken = new Set<string>();

  redirectUri = (_seed: string, wanted?: string): URL =>
    new URL(wanted ?? `http://localhost:${4000 + this.taken.size}/oauth/callback`);

  begin = async (address: URL, redirectUri: URL, state: string) => {
    if (this.taken.has(redirectUri.port)) return undefined;
    const done = new Promise<{ code: string; iss?: string }>((resolve, reject) => {
      this.begun.push({ address, redirectUri, state, resolve, reject });
    });
    done.catch(() => {});
    return { done, address };
  };

  get last(): Begun {
    return this.begun.at(-1) as Begun;
  }
}

/** A provider that rotates: each refresh token serves once. */
export class RotatingProvider extends FakeRest {
  readonly grants: string[] = [];
  refreshToken = 'refresh-0';
  expiresIn = 3600;
  #count = 0;

  override answer: FakeRest['answer'] = ({ body = '' }) => {
    const form = new URLSearchParams(body);
    const grant = form.get('grant_type') ?? '';
    if (grant === 'refresh_token' && form.get('refresh_token') !== this.refreshToken) {
      this.grants.push('refused');
      return jsonAnswer(400, { error: 'invalid_grant' });
    }
    this.grants.push(grant);
    this.#count += 1;
    this.refreshToken = `refresh-${this.#count}`;
    const refresh_token = this.refreshToken;
    const life = { expires_in: this.expiresIn };
    return jsonAnswer(200, { access_token: `token-${this.#count}`, token_type: 'Bearer', refresh_token, ...life });
  };

  form(index: number): Record<string, string> {
    return Object.fromEntries(new URLSearchParams(this.requests.at(index)?.body));
  }
}

/** It is moved by the test alone: whoever sleeps for longer than a moment sleeps until they are called off. */
class StillClock extends FakeClock {
  override sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (ms === 0) return resolve();
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
}

export interface World {
  readonly deps: CredentialDeps & { readonly clock: FakeClock; readonly signals: FakeSignals };
  readonly desk: Desk;
  readonly provider: RotatingProvider;
  /** Another process with the same vault. */
  source(options?: object): Promise<CredentialSource>;
}

/** Sources of one kind, with what all of them share. */
export function peopleWorld(
  kind: keyof typeof kinds.credentials,
  common: object,
  given: Partial<CredentialDeps> = {},
): World {
  const [desk, provider] = [new Desk(), new RotatingProvider()];
  const house = { clock: new StillClock(), signals: new FakeSignals(), vault: new MemoryVault(), logins: desk };
  const deps = depsWith({ ...house, rest: provider.rest, ...given }) as World['deps'];
  return {
    deps,
    desk,
    provider,
    source: async (options = {}) => {
      const { default: loaded } = await kinds.credentials[kind]();
      const all = { origins: ORIGINS, ...common, ...options };
      return createSource(loaded as Kind<CredentialSource, unknown, CredentialDeps>, all, deps);
    },
  };
}

const unhurried = new AbortController().signal;

export async function ask(source: CredentialSource, more: object = {}): Promise<string> {
  return (await source.acquire(unhurried, { ...ASKING, ...more })).value;
}

/** Where the answer to a call sends a person. */
export async function wanted(source: CredentialSource, more: object = {}): Promise<LoginRequired> {
  const error = await rejection(ask(source, more));
  expect(error).toBeInstanceOf(LoginRequired);
  return error as LoginRequired;
}

/** Calls again until somebody has logged in. */
export async function asksOn(source: CredentialSource, more: object = {}): Promise<string> {
  for (;;) {
    try {
      return await ask(source, more);
    } catch (error) {
      if (!(error instanceof LoginRequired)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
