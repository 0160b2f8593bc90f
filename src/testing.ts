/**
 * What every kind of an extension point must keep, as suites that a plugin's author runs with any test framework:
 * `credentialSourceSuite({ describe, it }, { … })`. They assert with node:assert and need nothing else.
 */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { MockQlik, MockQlikOptions } from './connectors/qlik/mock/types.js';
import type { Asking, AuthToken, CredentialSource, Principal, Store } from './contracts.js';

export type * from './connectors/qlik/mock/types.js';

/** A tenant of a make-believe Qlik Cloud on a free port of 127.0.0.1; see docs/qlik-mock.md. Loaded when it is first called. */
export async function startMockQlik(options?: MockQlikOptions): Promise<MockQlik> {
  const mock = await import('./connectors/qlik/mock/mockQlik.js');
  return mock.startMockQlik(options);
}

/** The two functions of a test framework that a suite needs: those of Jest, Vitest, Mocha and node:test fit. */
export interface TestFramework {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

/** A source in working order, made anew for each test. */
export interface SourceUnderTest {
  readonly source: CredentialSource;
  /** Texts that no error and no dump may show: the client's secret, its key. */
  readonly secrets: readonly string[];
  /** Who calls; for a source that has a `basis`. */
  readonly caller?: Principal;
  /** Makes the next `acquire` fail, as the provider or a file would; absent for a source that can't fail. */
  readonly breakIt?: () => void | Promise<void>;
  close?(): void | Promise<void>;
}

interface Subject<Made> {
  readonly name: string;
  create(): Made | Promise<Made>;
}

/** What the broker relies on in a credential source. */
export function credentialSourceSuite({ describe, it }: TestFramework, subject: Subject<SourceUnderTest>): void {
  const check = (name: string, body: (made: SourceUnderTest) => void | Promise<void>) => {
    it(name, async () => {
      const made = await subject.create();
      try {
        await body(made);
      } finally {
        await made.close?.();
      }
    });
  };

  describe(`credential source ${subject.name}`, () => {
    check('lists the origins that may see it', ({ source }) => listsOrigins(source));
    check('gives a token that lives', unlessPassedOn(givesToken));
    check('shows the token in headers that any client can send', unlessPassedOn(showsToken));
    check('gives a token again when it is asked again', unlessPassedOn(givesTokenAgain));
    check('asks for more than who calls for callers only, and always has the same basis', hasBasis);
    check('lets go when its signal aborts', letsGo);
    check('fails with a CredentialError that says what mends it', failsWell);
    check('shows no secret when it is printed', ({ source, secrets }) => hides(source, secrets));
  });
}

const unhurried = () => new AbortController().signal;

/** What is passed on as the caller sent it is never acquired. */
function unlessPassedOn(body: (made: SourceUnderTest) => Promise<void>): (made: SourceUnderTest) => Promise<void> {
  return async (made) => (made.source.passOn ? undefined : body(made));
}

/** For a server that may see the token; by the gateway, unless there is a caller. */
function asking({ source, caller }: SourceUnderTest): Asking {
  return { owner: caller ?? null, url: new URL(`${source.origins[0]}/mcp`), ...(caller ? { caller } : {}) };
}

async function hasBasis({ source, caller }: SourceUnderTest): Promise<void> {
  if (!source.basis) return;
  assert.equal(source.scope, 'caller');
  assert.ok(caller, 'the suite needs a caller');
  const { id } = source.basis(caller);
  assert.ok(id !== '');
  assert.equal(source.basis({ ...caller }).id, id);
}

function listsOrigins({ origins, scope, renewable }: CredentialSource): void {
  assert.ok(origins.length > 0, 'no origin may see it');
  for (const origin of origins)
    assert.equal(new URL(origin).origin, origin, 'an origin has neither path nor final slash');
  assert.ok(scope === 'gateway' || scope === 'caller');
  assert.equal(typeof renewable, 'boolean');
}

async function givesToken(made: SourceUnderTest): Promise<void> {
  lives(await made.source.acquire(unhurried(), asking(made)));
}

function lives(token: AuthToken): void {
  assert.notEqual(token.value, '');
  assert.ok(Number.isFinite(token.obtainedAt), 'obtainedAt is epoch milliseconds');
  assert.ok(token.expiresAt > token.obtainedAt, 'it ends after it began');
}

async function showsToken(made: SourceUnderTest): Promise<void> {
  const { source } = made;
  const token = await source.acquire(unhurried(), asking(made));
  const credential = source.present(token);
  assert.equal(credential.token, token);
  assert.ok(credential.headers.length > 0 && credential.headers.length % 2 === 0, 'name, value, name, value');
  // RFC 9110 section 5.5: anything else could end the header and begin another.
  for (const part of credential.headers) assert.match(part, /^[\t\x20-\x7e\x80-\xff]+$/);
  assert.deepEqual(source.present(token), credential, 'presenting twice shows the same');
}

async function givesTokenAgain(made: SourceUnderTest): Promise<void> {
  await made.source.acquire(unhurried(), asking(made));
  lives(await made.source.acquire(unhurried(), asking(made)));
}

/** Whether it then resolves or rejects is its own choice; to hang is not. */
async function letsGo(made: SourceUnderTest): Promise<void> {
  await made.source.acquire(AbortSignal.abort(), asking(made)).catch(() => {});
}

async function failsWell(made: SourceUnderTest): Promise<void> {
  const { source, secrets, breakIt } = made;
  if (!breakIt) return;
  await breakIt();
  await assert.rejects(source.acquire(unhurried(), asking(made)), (error: Error & { mend?: unknown }) => {
    assert.equal(error.name, 'CredentialError');
    assert.ok(error.message.length > 0 && typeof error.mend === 'string' && error.mend.length > 0);
    hides(error, secrets);
    return true;
  });
}

function hides(value: object, secrets: readonly string[]): void {
  const prints = [inspect(value, { depth: 20, showHidden: true }), JSON.stringify({ ...value }), String(value)];
  for (const secret of secrets) assert.ok(!prints.some((print) => print.includes(secret)), 'a secret is shown');
}

/** What everything that keeps something relies on. `wait` lets the given milliseconds pass on the store's clock. */
export interface StoreSubject extends Subject<Store> {
  wait(ms: number): Promise<void>;
}

/** What the rooms rely on in a store of keys and values. */
export function storeSuite({ describe, it }: TestFramework, subject: StoreSubject): void {
  const check = (name: string, body: (store: Store) => void | Promise<void>) => {
    it(name, async () => {
      const store = await subject.create();
      try {
        await body(store);
      } finally {
        store.close();
      }
    });
  };

  describe(`store ${subject.name}`, () => {
    check('gives back what was set, until it is deleted', givesBack);
    check('knows nothing that was not set, whatever the key', knowsNothing);
    check('forgets a value when its life is over', (store) => forgets(store, subject));
    check('counts a life anew when a value is set again', (store) => countsAnew(store, subject));
    check('keeps nothing whose life is over already', keepsNothingDead);
    check('keeps for ever what has no end', (store) => keepsForEver(store, subject));
  });
}

const LONG = 60_000;

function givesBack(store: Store): void {
  store.set('key', { word: 'value' }, LONG);
  store.set('other', 0, LONG);
  assert.deepEqual(store.get('key'), { word: 'value' });
  assert.equal(store.get('other'), 0);
  store.delete('key');
  assert.equal(store.get('key'), undefined);
  assert.equal(store.get('other'), 0);
}

function knowsNothing(store: Store): void {
  for (const key of ['missing', '', '__proto__', 'constructor', '["a",null]']) {
    assert.equal(store.get(key), undefined);
    store.delete(key);
    store.set(key, 'kept', LONG);
    assert.equal(store.get(key), 'kept');
  }
}

async function forgets(store: Store, { wait }: StoreSubject): Promise<void> {
  store.set('short', 1, 50);
  store.set('long', 1, LONG);
  assert.equal(store.get('short'), 1);
  await wait(75);
  assert.equal(store.get('short'), undefined);
  assert.equal(store.get('long'), 1);
}

async function countsAnew(store: Store, { wait }: StoreSubject): Promise<void> {
  store.set('key', 1, 50);
  store.set('key', 2, LONG);
  await wait(75);
  assert.equal(store.get('key'), 2);
}

function keepsNothingDead(store: Store): void {
  for (const life of [0, -1, Number.NEGATIVE_INFINITY, Number.NaN]) {
    store.set('key', 'old', LONG);
    store.set('key', 'dead', life);
    assert.equal(store.get('key'), undefined);
  }
}

async function keepsForEver(store: Store, { wait }: StoreSubject): Promise<void> {
  store.set('key', 1, Number.POSITIVE_INFINITY);
  await wait(5);
  assert.equal(store.get('key'), 1);
}
