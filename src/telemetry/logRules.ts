import type { LogLevel, LogLevels, LogRule, LogWish } from '../contracts/logLevels.js';

const SEVERITY: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 5 };

/** What the log keeps: by level, and by destination where one has a level of its own. */
export class LogRules implements LogLevels {
  #configured: LogRule;
  #wish: LogWish | undefined;
  #timer: NodeJS.Timeout | undefined;
  #level = 0;
  /** The most that is wanted of anything. */
  #most = 0;
  /** Undefined where all have the same: nearly always. */
  #byDestination: ReadonlyMap<string, number> | undefined;

  constructor(configured: LogRule) {
    this.#configured = configured;
    this.#apply();
  }

  /** A new configuration doesn't end what somebody has asked for meanwhile. */
  configure(rule: LogRule): void {
    this.#configured = rule;
    this.#apply();
  }

  read(): { readonly now: LogWish; readonly configured: LogRule } {
    return { now: this.#wish ?? this.#configured, configured: this.#configured };
  }

  set(wish: LogWish): void {
    clearTimeout(this.#timer);
    this.#wish = wish;
    this.#apply();
    if (wish.until === undefined) return;
    this.#timer = setTimeout(() => this.reset(), Math.max(0, wish.until - Date.now()));
    this.#timer.unref();
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#wish = undefined;
    this.#apply();
  }

  /** Of one destination, or of what has none (an empty name); without a name, whether it is wanted of any. */
  admits(level: LogLevel, destination?: string): boolean {
    const severity = SEVERITY[level];
    if (destination === undefined) return severity <= this.#most;
    return severity <= (this.#byDestination?.get(destination) ?? this.#level);
  }

  #apply(): void {
    const { level, destinations } = this.#wish ?? this.#configured;
    const own = Object.entries(destinations).map(([name, each]) => [name, SEVERITY[each]] as const);
    this.#level = SEVERITY[level];
    this.#most = Math.max(this.#level, ...own.map(([, severity]) => severity));
    this.#byDestination = own.length > 0 ? new Map(own) : undefined;
  }
}
