import type { Settings } from './config/settings.js';
import { FileWatcher } from './config/watcher.js';
import type { Reloaded } from './contracts/operations.js';
import { ConfigError } from './core/errors.js';
import type { SecretKeeper } from './secrets/keeper.js';
import type { Serving } from './serve.js';

/** What takes another configuration. */
type Reloadable = Pick<Serving, 'reload' | 'signals'>;

/** A changed file or secret is a new configuration; so is a call of `run`. Reloads follow one another, never overtake. */
export class Reloads {
  readonly #load: () => Promise<Settings>;
  readonly #secrets: SecretKeeper;
  readonly #watcher = new FileWatcher(() => void this.run());
  #serving: Reloadable | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(load: () => Promise<Settings>, secrets: SecretKeeper) {
    this.#load = load;
    this.#secrets = secrets;
  }

  /** From now on there is something to be reloaded. */
  attach(serving: Reloadable, settings: Settings): void {
    this.#serving = serving;
    this.#watcher.watch(settings.files);
    this.#secrets.watch({ signals: serving.signals, changed: () => void this.run() });
  }

  /** Never rejects. */
  run(): Promise<Reloaded> {
    const serving = this.#serving;
    if (!serving) return Promise.resolve({ taken: false, faults: [STARTING] });
    const next = this.#last.then(() => serving.reload(() => this.#loadAndWatch()));
    this.#last = next;
    return next;
  }

  /** A refused configuration is watched as well, since the repair may come in a file that it was the first to name. */
  async #loadAndWatch(): Promise<Settings> {
    try {
      const settings = await this.#load();
      this.#watcher.watch(settings.files);
      return settings;
    } catch (error) {
      if (error instanceof ConfigError) this.#watcher.watch(error.files);
      throw error;
    }
  }
}

const STARTING = {
  file: '',
  path: '',
  message: 'the process is still starting',
  hint: 'Ask again in a moment.',
  severity: 'fault',
} as const;
