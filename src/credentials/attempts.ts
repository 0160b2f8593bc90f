import type { AuthToken, Clock, Logins } from '../contracts.js';
import { CredentialError, GatewayError, LoginRequired } from '../core/errors.js';
import { LockHeld } from '../stores/fileLock.js';
import { type Asked, type Where, whereOf } from './askedLogin.js';

/** What is under way, by whose it is and what for: an attempt outlives the caller that began it, and others join it. */
export class Attempts {
  readonly #running = new Map<string, Attempt>();

  /** Goes on when its caller leaves: a person who is logging in shall not do so in vain. */
  join(
    key: string,
    { clock, logins }: { readonly clock: Clock; readonly logins: Logins },
    obtain: (attempt: Attempt) => Promise<AuthToken>,
  ): Promise<AuthToken> {
    const running = this.#running.get(key);
    if (running) return running.tokenOrLogin(clock);
    const attempt = new Attempt(logins.waitMs);
    this.#running.set(key, attempt);
    attempt.follow(
      obtain(attempt)
        .catch((error: unknown) => Promise.reject(explained(error, attempt.where)))
        .finally(() => this.#running.delete(key)),
    );
    return attempt.tokenOrLogin(clock);
  }
}

/** What is under way for one token. */
export class Attempt {
  readonly #waitMs: number;
  #asked: Promise<void>;
  #ask: () => void = () => {};
  #where: Where | undefined;
  #token: Promise<AuthToken> | undefined;
  #tellAt = Number.POSITIVE_INFINITY;

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
    this.#asked = this.#untilAsked();
  }

  follow(token: Promise<AuthToken>): void {
    this.#token = token;
    // Nobody may be left to hear how it ended: the next one who asks will.
    token.catch(() => {});
  }

  get where(): Where | undefined {
    return this.#where;
  }

  /** A person has been asked; when they are back it is up to machines again. `quiet`: nobody has seen it yet. */
  asks(asked: Asked, quiet: boolean): void {
    if (quiet) this.#tellAt = 0;
    this.tell(whereOf(asked));
    const back = () => this.tell(undefined);
    asked.done.then(back, back);
  }

  /** Where a person is being asked, by whomever; undefined: nobody is. */
  tell(where: Where | undefined): void {
    if (this.#where && !where) this.#asked = this.#untilAsked();
    this.#where = where;
    if (where) this.#ask();
  }

  #untilAsked(): Promise<void> {
    return new Promise((resolve) => {
      this.#ask = resolve;
    });
  }

  /** @throws LoginRequired where the person takes longer than a call may */
  tokenOrLogin(clock: Clock): Promise<AuthToken> {
    const token = this.#token as Promise<AuthToken>;
    return Promise.race([token, this.#told(clock, token)]);
  }

  /** Whoever was being asked may be back, and somebody else be asked after that. */
  async #told(clock: Clock, token: Promise<AuthToken>): Promise<never> {
    for (;;) {
      await this.#asked;
      this.#tellAt = Math.min(this.#tellAt, clock.monotonic() + this.#waitMs);
      await clock.sleep(Math.max(0, this.#tellAt - clock.monotonic()));
      if (!this.#where) continue;
      const { address, ...details } = this.#where;
      throw new LoginRequired(address, { ...details, over: token.catch(() => {}) });
    }
  }
}

/** Only words that are known to hold no secret are said. */
function explained(error: unknown, where: Where | undefined): unknown {
  if (error instanceof CredentialError) return error;
  if (error instanceof LockHeld) {
    if (where) return new LoginRequired(where.address, where);
    return new CredentialError(
      'another process is obtaining this token',
      'Repeat the call when the login there is over.',
    );
  }
  if (error instanceof GatewayError) return new CredentialError(error.message, error.hint);
  return new CredentialError(
    `the authorization server can't be used: ${wordsOf(error)}`,
    'Run mcp-drawbridge doctor; check the URL, and that this machine reaches it.',
    { cause: error },
  );
}

const LONGEST = 200;

function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : 'for a reason that is not known';
  return words.replace(/[\p{C}\p{Z}]+/gu, ' ').slice(0, LONGEST);
}
