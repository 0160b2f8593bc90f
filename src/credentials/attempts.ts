import type { AuthToken, Clock, Logins } from '../contracts.js';
import { CredentialError, GatewayError, LoginRequired } from '../core/errors.js';
import { LockHeld } from '../stores/fileLock.js';

/** A person is asked, at this address (and for this code, where the page wants one); `back` settles when they have answered. */
export type Asks = (url: URL, back: Promise<unknown>, userCode?: string) => void;

/** What is under way, by whose it is and what for: an attempt outlives the caller that began it, and others join it. */
export class Attempts {
  readonly #running = new Map<string, Attempt>();

  /** Goes on when its caller leaves: a person who is logging in shall not do so in vain. */
  join(
    key: string,
    { clock, logins }: { readonly clock: Clock; readonly logins: Logins },
    obtain: (asks: Asks) => Promise<AuthToken>,
  ): Promise<AuthToken> {
    const running = this.#running.get(key);
    if (running) return running.tokenOrLogin(clock);
    const attempt = new Attempt(logins.waitMs);
    this.#running.set(key, attempt);
    attempt.follow(
      obtain(attempt.asks)
        .catch((error: unknown) => Promise.reject(explained(error)))
        .finally(() => this.#running.delete(key)),
    );
    return attempt.tokenOrLogin(clock);
  }
}

/** What is under way for one token. */
class Attempt {
  readonly #waitMs: number;
  readonly #asked: Promise<void>;
  #ask: () => void = () => {};
  #where: { readonly url: string; readonly userCode: string | undefined } | undefined;
  #token: Promise<AuthToken> | undefined;
  #tellAt = Number.POSITIVE_INFINITY;

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
    this.#asked = new Promise((resolve) => {
      this.#ask = resolve;
    });
  }

  follow(token: Promise<AuthToken>): void {
    this.#token = token;
    // Nobody may be left to hear how it ended: the next one who asks will.
    token.catch(() => {});
  }

  /** A person has been asked; when they are back it is up to machines again. */
  readonly asks: Asks = (url, back, userCode) => {
    this.#where = { url: url.href, userCode };
    this.#ask();
    back
      .catch(() => {})
      .then(() => {
        this.#where = undefined;
      });
  };

  /** @throws LoginRequired where the person takes longer than a call may */
  tokenOrLogin(clock: Clock): Promise<AuthToken> {
    const token = this.#token as Promise<AuthToken>;
    const told = this.#asked.then(async () => {
      this.#tellAt = Math.min(this.#tellAt, clock.monotonic() + this.#waitMs);
      await clock.sleep(Math.max(0, this.#tellAt - clock.monotonic()));
      if (this.#where === undefined) return token;
      throw new LoginRequired(this.#where.url, this.#where.userCode);
    });
    return Promise.race([token, told]);
  }
}

/** Only words that are known to hold no secret are said. */
function explained(error: unknown): unknown {
  if (error instanceof CredentialError) return error;
  if (error instanceof LockHeld) {
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
