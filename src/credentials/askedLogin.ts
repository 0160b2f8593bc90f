import * as z from 'zod';
import type { Clock, Login, Owner, Vault } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';

const note = z.object({
  version: z.literal(1),
  /** Where the person who is being asked must go; absent where nobody is. */
  asked: z.object({ address: z.string(), paste: z.string().optional() }).optional(),
  /** When that was begun, or ended. Epoch milliseconds. */
  at: z.number(),
  /** Logins in a row that nobody finished. */
  vain: z.number(),
});

type Note = z.infer<typeof note>;

/** Longer than any login takes: who left the note is gone. Milliseconds. */
const STALE_MS = 10 * 60_000;
/** No browser is opened so long after a login that came to nothing; twice as long after each further one. Milliseconds. */
const QUIET_MS = 60_000;
const LONGEST_QUIET_MS = 3_600_000;

/** What others must know of a login that somebody is asked for: where it is, and how the last one ended. Nothing secret. */
export class AskedLogin {
  readonly #vault: Vault;
  readonly #clock: Clock;
  readonly #name: string;

  constructor(vault: Vault, clock: Clock, owner: Owner | null, credential: string, server: URL) {
    this.#vault = vault;
    this.#clock = clock;
    this.#name = scopeKey(owner, 'oauth-asked', credential, server.origin + server.pathname);
  }

  /** Where somebody is asked to log in, by whichever process. */
  async address(): Promise<Note['asked']> {
    const kept = await this.#read();
    return kept && this.#clock.now() - kept.at < STALE_MS ? kept.asked : undefined;
  }

  /** True while a browser that opened by itself would be one too many. */
  async isQuiet(): Promise<boolean> {
    const { vain = 0, at = 0 } = (await this.#read()) ?? {};
    const quietMs = Math.min(LONGEST_QUIET_MS, QUIET_MS * 2 ** Math.min(vain - 1, 10));
    return vain > 0 && this.#clock.now() - at < quietMs;
  }

  /** Tells it while it lasts; resolves once it is known how it ended. */
  async during({ address, paste, done }: Login): Promise<void> {
    const vain = (await this.#read())?.vain ?? 0;
    const where = { address: address.href, ...(paste ? { paste: paste.href } : {}) };
    await this.#write({ asked: where, vain });
    await done.then(
      () => this.#vault.remove(this.#name),
      () => this.#write({ vain: vain + 1 }),
    );
  }

  async #read(): Promise<Note | undefined> {
    return note.safeParse(await this.#vault.read(this.#name)).data;
  }

  #write(said: Pick<Note, 'asked' | 'vain'>): Promise<void> {
    return this.#vault.write(this.#name, { version: 1, at: this.#clock.now(), ...said } satisfies Note);
  }
}
