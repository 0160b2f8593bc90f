import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Callback, Clock, LoginPurpose, Vault } from '../contracts.js';
import { CredentialError, GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { Bucket } from '../resilience/tokenBucket.js';

/** What a login under way is known by. */
export interface Wanted {
  readonly state: string;
  readonly redirectUri: URL;
  readonly authorization: URL;
  readonly purpose: LoginPurpose;
}

const answer = z.union([
  z.object({ code: z.string(), iss: z.string().optional() }),
  z.object({ error: z.string().nullable() }),
]);

const pending = z.object({
  subject: z.string().nullable(),
  tenant: z.string().nullable(),
  server: z.string(),
  credential: z.string(),
  authorization: z.string(),
  redirectUri: z.string(),
  /** Epoch milliseconds. */
  until: z.number(),
  /** What the browser brought, where that was to another process than the one that waits for it. */
  answer: answer.optional(),
});

type Answer = z.infer<typeof answer>;
/** A login under way as it is kept: no verifier, so that whoever reads it can't finish it. */
export type Pending = z.infer<typeof pending>;

/** What became of what a browser brought. */
export type Arrival = 'done' | 'refused' | 'not-yours';

interface Expected {
  readonly kept: Pending;
  readonly over: AbortController;
  settle(answer: Answer): void;
  reject(error: Error): void;
}

export interface PendingLoginsDeps {
  readonly clock: Clock;
  readonly vault: Vault;
  /** Other processes see the vault too. */
  readonly shared: boolean;
}

/** So long a person may take. Milliseconds. */
export const PERSON_MS = 5 * 60_000;
/** Who may log in at one time; and for how many servers one caller may. */
const MOST_EXPECTED = 1000;
const MOST_OF_ONE = 20;
/** Between two looks at what another process was brought. Milliseconds. */
const LOOK_MS = 1_000;
/** Questions about logins that aren't this process's own. */
const STRANGERS = { count: 20, periodMs: 1_000, burst: 100 };
const ROOM = 'login';

/**
 * Logins that people are at. Each is known by a digest of its `state`, so that who knows a page's address doesn't know what the
 * browser must bring back. Where processes share a vault, what came back to one of them finds the one that waits for it.
 */
export class PendingLogins {
  readonly #deps: PendingLoginsDeps;
  readonly #expected = new Map<string, Expected>();
  readonly #strangers = new Bucket(STRANGERS);
  #swept = false;

  constructor(deps: PendingLoginsDeps) {
    this.#deps = deps;
  }

  /**
   * `kept` resolves once other processes know of it.
   * @throws CredentialError where too many are logging in
   */
  expect(wanted: Wanted): { readonly id: string; readonly done: Promise<Callback>; readonly kept: Promise<void> } {
    this.#assertRoom(wanted.purpose);
    const id = digest(wanted.state);
    const over = new AbortController();
    const kept = this.#describe(wanted);
    const done = new Promise<Callback>((resolve, reject) => {
      const settle = (said: Answer) => ('code' in said ? resolve(callback(said)) : reject(refused(said.error)));
      this.#expected.set(id, { kept, over, settle, reject });
    });
    done.catch(() => {});
    this.#deps.clock.sleep(PERSON_MS, over.signal).then(
      () => this.#end(id)?.reject(new CredentialError('nobody logged in in time', 'Repeat the call.')),
      () => {},
    );
    return { id, done, kept: this.#deps.shared ? this.#tellOthers(id, kept, over.signal) : Promise.resolve() };
  }

  /** A login that nobody is back from yet; undefined for any other. Rejects with OVERLOADED where strangers ask too often. */
  async find(id: string): Promise<Pending | undefined> {
    const here = this.#expected.get(id)?.kept;
    if (here ?? !this.#deps.shared) return here;
    const kept = await this.#read(id);
    return kept && kept.answer === undefined && this.#deps.clock.now() < kept.until ? kept : undefined;
  }

  /** Takes an address at which a browser ended: exactly a redirect URI, with a `state` that is waited for, once. */
  async arrive(said: URL): Promise<Arrival> {
    const id = idOf(said);
    const brought = answerIn(said.searchParams);
    const found = id === undefined ? undefined : await this.find(id);
    if (id === undefined || !found || !brought || !isAt(said, found.redirectUri)) return 'not-yours';
    if (!(await this.#hand(id, brought))) return 'not-yours';
    return 'code' in brought ? 'done' : 'refused';
  }

  /** Whoever still waits is told that nobody will come back. */
  close(): void {
    for (const id of [...this.#expected.keys()]) {
      this.#end(id)?.reject(new CredentialError('this process is stopping', 'Repeat the call in a moment.'));
    }
  }

  #assertRoom({ owner }: LoginPurpose): void {
    const ofOne = () =>
      [...this.#expected.values()].filter(
        ({ kept }) => kept.subject === owner?.subject && kept.tenant === (owner?.tenant ?? null),
      ).length;
    if (this.#expected.size < MOST_EXPECTED && (owner === null || ofOne() < MOST_OF_ONE)) return;
    throw new CredentialError('too many people are logging in', 'Repeat the call in a few minutes.');
  }

  #describe({ redirectUri, authorization, purpose: { owner, server, credential } }: Wanted): Pending {
    return {
      subject: owner?.subject ?? null,
      tenant: owner?.tenant ?? null,
      server: server.origin + server.pathname,
      credential,
      authorization: authorization.href,
      redirectUri: redirectUri.href,
      until: this.#deps.clock.now() + PERSON_MS,
    };
  }

  async #tellOthers(id: string, kept: Pending, over: AbortSignal): Promise<void> {
    const { vault } = this.#deps;
    await this.#sweep();
    await vault.write(nameOf(id), kept);
    // It may have ended meanwhile.
    if (over.aborted) await vault.remove(nameOf(id));
    else void this.#listen(id, over).catch(() => {});
  }

  async #listen(id: string, over: AbortSignal): Promise<void> {
    const { clock, vault } = this.#deps;
    for (;;) {
      await clock.sleep(LOOK_MS, over);
      const brought = pending.safeParse(await vault.read(nameOf(id))).data?.answer;
      if (brought) this.#end(id)?.settle(brought);
    }
  }

  /** False where somebody was faster. */
  async #hand(id: string, brought: Answer): Promise<boolean> {
    const { vault, shared } = this.#deps;
    if (!shared) return this.#settle(id, brought);
    return vault.alone(nameOf(id), new AbortController().signal, async () => {
      const kept = pending.safeParse(await vault.read(nameOf(id))).data;
      if (kept?.answer) return false;
      if (this.#expected.has(id)) {
        await vault.remove(nameOf(id));
        return this.#settle(id, brought);
      }
      if (kept) await vault.write(nameOf(id), { ...kept, answer: brought });
      return kept !== undefined;
    });
  }

  #settle(id: string, brought: Answer): boolean {
    const expected = this.#end(id);
    expected?.settle(brought);
    return expected !== undefined;
  }

  #end(id: string): Expected | undefined {
    const expected = this.#expected.get(id);
    if (!this.#expected.delete(id)) return undefined;
    expected?.over.abort();
    if (this.#deps.shared) void this.#deps.vault.remove(nameOf(id)).catch(() => {});
    return expected;
  }

  /** Guessing costs us a look at the disk; nobody honest asks so often. */
  async #read(id: string): Promise<Pending | undefined> {
    const now = this.#deps.clock.monotonic();
    if (this.#strangers.waitMs(now, 1) > 0) {
      throw new GatewayError('OVERLOADED', 'too many ask for logins that are not known', { retryAfter: 1 });
    }
    this.#strangers.take(now, 1);
    return pending.safeParse(await this.#deps.vault.read(nameOf(id))).data;
  }

  /** A process that was killed has left its own behind. */
  async #sweep(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    for (const { name, document } of await this.#deps.vault.list()) {
      const kept = name.startsWith(NAMES) ? pending.safeParse(document).data : undefined;
      if (kept && this.#deps.clock.now() >= kept.until) await this.#deps.vault.remove(name);
    }
  }
}

/** What a login is known by whose `state` stands in that address; undefined where there isn't exactly one. */
export function idOf(said: URL): string | undefined {
  const [state, ...others] = said.searchParams.getAll('state');
  return state === undefined || others.length > 0 ? undefined : digest(state);
}

function digest(state: string): string {
  return createHash('sha256').update(state).digest('base64url');
}

function nameOf(id: string): string {
  return scopeKey(null, ROOM, id);
}

/** What the names of all of them begin with. */
const NAMES = scopeKey(null, ROOM).slice(0, -1);

function isAt(said: URL, redirectUri: string): boolean {
  return said.origin + said.pathname === redirectUri && said.username === '' && said.password === '';
}

/** Undefined for what says neither yes nor no, or both. */
function answerIn(query: URLSearchParams): Answer | undefined {
  const [codes, errors, issuers] = ['code', 'error', 'iss'].map((name) => query.getAll(name)) as [
    string[],
    string[],
    string[],
  ];
  if (codes.length > 1 || errors.length > 1 || issuers.length > 1) return undefined;
  const [code] = codes;
  if (code === undefined || errors.length > 0) return { error: errors[0] ?? null };
  return { code, ...(issuers[0] === undefined ? {} : { iss: issuers[0] }) };
}

function callback({ code, iss }: Extract<Answer, { code: string }>): Callback {
  return { code, ...(iss === undefined ? {} : { iss }) };
}

function refused(error: string | null): CredentialError {
  const word = /^[\w.-]{1,64}$/.test(error ?? '') ? `: ${error}` : '';
  return new CredentialError(`the login was refused${word}`, 'Log in again, with an account that may use this server.');
}
