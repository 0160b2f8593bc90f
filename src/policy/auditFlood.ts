import type { AuditEntry } from '../contracts/callers.js';
import type { Clock } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import type { AuditedEntry } from './auditChain.js';

/** Refusals of one kind are told once in so long. */
const WINDOW_MS = 1_000;
/** Kinds of refusals that are counted apart; further ones share one count. */
const MOST_WINDOWS = 256;

/** Refusals of one kind since the last line about them. */
interface Window {
  last: AuditedEntry | undefined;
  count: number;
}

/** Makes of many refusals of one kind, from one address, one line in a second. */
export class Flood {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #tell: (entry: AuditedEntry) => void;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock, signal: AbortSignal, tell: (entry: AuditedEntry) => void) {
    this.#clock = clock;
    this.#signal = signal;
    this.#tell = tell;
  }

  /** True for one that is told at once; the others are counted. */
  isFirst(entry: AuditEntry): boolean {
    const key = kindOf(entry);
    const window = this.#windows.get(key);
    if (window) {
      count(window, entry);
      return false;
    }
    if (this.#windows.size >= MOST_WINDOWS) {
      count(this.#others(), nobody(entry));
      return false;
    }
    this.#windows.set(key, { last: undefined, count: 0 });
    if (this.#windows.size === 1) this.#tick().catch(() => {});
    return true;
  }

  /** Tells what was counted, and forgets the kinds of which there was nothing to count. */
  flush(): void {
    for (const [key, window] of this.#windows) {
      if (window.last) this.#tell({ ...window.last, count: window.count });
      else this.#windows.delete(key);
      window.last = undefined;
      window.count = 0;
    }
  }

  async #tick(): Promise<void> {
    while (this.#windows.size > 0) {
      await this.#clock.sleep(WINDOW_MS, this.#signal);
      this.flush();
    }
  }

  #others(): Window {
    const window = this.#windows.get('') ?? { last: undefined, count: 0 };
    this.#windows.set('', window);
    return window;
  }
}

function kindOf(entry: AuditEntry): string {
  const { subject, tenant, address, destination, code, status } = entry;
  const owner = subject === undefined ? null : { subject, ...(tenant === undefined ? {} : { tenant }) };
  return scopeKey(owner, address, destination ?? '', code ?? String(status));
}

/** What differs within one count is left out: the line must not say of many what is true of one. */
function count(window: Window, entry: AuditedEntry): void {
  const { last } = window;
  window.count += 1;
  window.last = { ...entry, argumentNames: [] };
  if (last) {
    window.last = {
      ...window.last,
      method: last.method === entry.method ? entry.method : undefined,
      name: last.name === entry.name ? entry.name : undefined,
      action: last.action === entry.action ? entry.action : '*',
    };
  }
}

/** A refusal among those of more kinds than are counted apart. */
function nobody(entry: AuditEntry): AuditedEntry {
  return { ...entry, address: '*', subject: undefined, tenant: undefined, destination: undefined, code: undefined };
}
