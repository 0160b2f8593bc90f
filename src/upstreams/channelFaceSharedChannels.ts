import type { Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import type { GatewayError } from '../core/errors.js';
import type { Carrying, OpenChannel } from './channel.js';
import { isReply } from './channelFaceLine.js';
import { SharedChannel } from './channelFaceShared.js';

/** The channels that serve more than one session or call, by whose they are. */
export class SharedChannels {
  readonly #idleMs: number;
  readonly #open: OpenChannel;
  readonly #entries = new Map<string, Entry>();

  constructor(idleMs: number, open: OpenChannel) {
    this.#idleMs = idleMs;
    this.#open = open;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The channel of that key; opened by the first that asks for it, on whose behalf it stays. Rejects as `open` does. */
  of(key: string, carrying: Carrying): Promise<SharedChannel | Reply> {
    const entry = this.#entries.get(key) ?? this.#begin(key, carrying);
    entry.use(this.#idleMs);
    return entry.opened;
  }

  /** Closes that one, where nobody uses it. */
  dropIdle(key: string): void {
    const entry = this.#entries.get(key);
    if (entry?.idle) entry.drop();
  }

  /** Closes one that nobody uses. */
  evict(): boolean {
    for (const entry of this.#entries.values()) {
      if (!entry.idle) continue;
      entry.drop();
      return true;
    }
    return false;
  }

  async close(reason: GatewayError): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.close(reason)));
  }

  #begin(key: string, carrying: Carrying): Entry {
    const gone = () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      entry.forget();
    };
    const shared = new SharedChannel(gone);
    const entry = new Entry(shared, gone);
    entry.opened = this.#openInto(shared, carrying, gone);
    this.#entries.set(key, entry);
    entry.opened.catch(gone);
    return entry;
  }

  async #openInto(shared: SharedChannel, carrying: Carrying, gone: () => void): Promise<SharedChannel | Reply> {
    const channel = await this.#open(carrying, shared);
    if (!isReply(channel)) {
      shared.attach(channel);
      return shared;
    }
    gone();
    return channel;
  }
}

class Entry extends Deadline {
  opened: Promise<SharedChannel | Reply>;
  readonly #shared: SharedChannel;
  readonly #gone: () => void;
  #idleMs = 0;

  constructor(shared: SharedChannel, gone: () => void) {
    super();
    this.#shared = shared;
    this.#gone = gone;
    this.opened = Promise.resolve(shared);
  }

  /** Where sessions hold it, they say for how long. */
  get idle(): boolean {
    return this.#shared.isOpen && this.#shared.idle && this.#shared.members === 0;
  }

  use(idleMs: number): void {
    this.#idleMs = idleMs;
    this.expireIn(idleMs);
  }

  forget(): void {
    this.stopClock();
  }

  drop(): void {
    this.#gone();
    void this.#shared.close();
  }

  async close(reason: GatewayError): Promise<void> {
    await this.opened.catch(() => {});
    this.#shared.closed(reason);
    await this.#shared.close();
  }

  protected override expired(): void {
    if (this.idle) this.drop();
    else this.expireIn(this.#idleMs);
  }
}
