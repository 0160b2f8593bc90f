import * as z from 'zod';
import type { Clock, Owner, Vault } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';

/** Somebody is asked to log in. */
export interface Asked {
  readonly address: URL;
  /** Settles when they have answered, or nobody will. */
  readonly done: Promise<unknown>;
  /** A page that takes the address at which a browser ended that can't come back by itself. */
  readonly paste?: URL;
  /** What the page asks for (RFC 8628). */
  readonly userCode?: string;
}

/** A person is asked. */
export type Asks = (asked: Asked) => void;

const place = z.object({ address: z.string(), paste: z.string().optional(), userCode: z.string().optional() });

/** Where a person must go. */
export type Where = z.infer<typeof place>;

const note = z.object({
  version: z.literal(1),
  /** Where the person who is being asked must go; absent where nobody is. Whoever asks prolongs `until`. */
  asked: z.object({ where: place, until: z.number() }).optional(),
  /** When the last login ended. Epoch milliseconds, as all. */
  endedAt: z.number(),
  /** Logins in a row that nobody finished. */
  vain: z.number(),
});

type Note = z.infer<typeof note>;

/** So long a note of whoever asks is believed, and so often it is written again. No crash leaves more behind. Milliseconds. */
const NOTE_MS = 15_000;
const AGAIN_MS = 5_000;
/** No browser is opened so long after a login that came to nothing; twice as long after each further one. Milliseconds. */
const QUIET_MS = 60_000;
const LONGEST_QUIET_MS = 3_600_000;

/** What others must know of a login that somebody is asked for: where it is, and how the last one ended. Nothing secret. */
export class AskedLogin {
  readonly #vault: Vault;
  readonly #clock: Clock;
  readonly #name: string;

  /** `room`: what tells it apart: the credential's kind and name, and for which place. */
  constructor({ vault, clock }: { vault: Vault; clock: Clock }, owner: Owner | null, ...room: readonly string[]) {
    this.#vault = vault;
    this.#clock = clock;
    this.#name = scopeKey(owner, 'asked', ...room);
  }

  /** One process at a time asks a person. */
  alone<Value>(job: () => Promise<Value>): Promise<Value> {
    return this.#vault.alone(this.#name, new AbortController().signal, job);
  }

  /** Where somebody is asked to log in, by whichever process. */
  async where(): Promise<Where | undefined> {
    const { asked } = (await this.#read()) ?? {};
    return asked && this.#clock.now() < asked.until ? asked.where : undefined;
  }

  /** True while a browser that opened by itself would be one too many. */
  async isQuiet(): Promise<boolean> {
    const { vain = 0, endedAt = 0 } = (await this.#read()) ?? {};
    const quietMs = Math.min(LONGEST_QUIET_MS, QUIET_MS * 2 ** Math.min(vain - 1, 10));
    return vain > 0 && this.#clock.now() - endedAt < quietMs;
  }

  /** Tells it while it lasts; resolves once it is known how it ended, and never rejects. */
  async during(asked: Asked): Promise<void> {
    const { vain = 0, endedAt = 0 } = (await this.#read()) ?? {};
    const over = new AbortController();
    const noted = this.#keepTelling(whereOf(asked), { vain, endedAt }, over.signal);
    const finished = await asked.done.then(
      () => true,
      () => false,
    );
    over.abort();
    await noted;
    const now = this.#clock.now();
    const ended = finished ? this.#vault.remove(this.#name) : this.#write({ vain: vain + 1, endedAt: now });
    // Nobody is left to be told: the note ends by itself.
    await ended.catch(() => {});
  }

  async #keepTelling(where: Where, last: Pick<Note, 'vain' | 'endedAt'>, over: AbortSignal): Promise<void> {
    try {
      while (!over.aborted) {
        await this.#write({ ...last, asked: { where, until: this.#clock.now() + NOTE_MS } });
        await this.#clock.sleep(AGAIN_MS, over);
      }
    } catch {
      // The person is back, or the store is gone: either way there is nobody to be told.
    }
  }

  async #read(): Promise<Note | undefined> {
    return note.safeParse(await this.#vault.read(this.#name)).data;
  }

  #write(said: Omit<Note, 'version'>): Promise<void> {
    return this.#vault.write(this.#name, { version: 1, ...said } satisfies Note);
  }
}

export function whereOf({ address, paste, userCode }: Asked): Where {
  return {
    address: address.href,
    ...(paste ? { paste: paste.href } : {}),
    ...(userCode === undefined ? {} : { userCode }),
  };
}
