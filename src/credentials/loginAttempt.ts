import type { AuthToken, Clock, Login } from '../contracts.js';
import { LoginRequired } from '../core/errors.js';

/** Where a person must go. */
export interface Where {
  readonly address: string;
  readonly paste?: string | undefined;
}

/** What is under way for one server. */
export class LoginAttempt {
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
  asks({ address, paste, done }: Login, quiet: boolean): void {
    if (quiet) this.#tellAt = 0;
    this.tell({ address: address.href, paste: paste?.href });
    const back = () => this.tell(undefined);
    done.then(back, back);
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
      throw new LoginRequired(this.#where.address, { paste: this.#where.paste, over: token.catch(() => {}) });
    }
  }
}
