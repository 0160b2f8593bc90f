import type { ServiceManagerEnvironment } from './config/environment.js';
import type { Signals } from './contracts.js';

/** Node has no datagrams on a local socket; this comes with systemd itself. */
const TELLER = 'systemd-notify';
const TELL_MS = 5_000;
const LEAST_PING_MS = 100;
/** What a stop may take besides the drain. */
const STOP_MS = 5_000;

/** How this process tells whoever started it how it does. */
export interface ServiceManager {
  /** It serves; said again after a reload. */
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(drainMs: number): Promise<void>;
}

/** For a process that nobody wants to hear from. */
export const nobody: ServiceManager = {
  ready: () => Promise.resolve(),
  reloading: () => Promise.resolve(),
  stopping: () => Promise.resolve(),
};

/** systemd, by its own protocol (sd_notify(3)). The signs of life come from the event loop: where that hangs, they stop. */
export class Systemd implements ServiceManager {
  readonly #given: ServiceManagerEnvironment;
  readonly #signals: Signals;
  /** One after the other: what is said last is what holds. */
  #last: Promise<void> = Promise.resolve();
  #pings: NodeJS.Timeout | undefined;
  #pinging = false;
  #deaf = false;

  constructor(given: ServiceManagerEnvironment, signals: Signals) {
    this.#given = given;
    this.#signals = signals;
  }

  ready(status: string): Promise<void> {
    this.#watch();
    return this.#tell('READY=1', `STATUS=${status}`);
  }

  /** With the time that `Type=notify-reload` asks for. */
  reloading(): Promise<void> {
    return this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** Asks for as long as a drain may take; its end is the end of the process. */
  stopping(drainMs: number): Promise<void> {
    return this.#tell('STOPPING=1', 'STATUS=draining', `EXTEND_TIMEOUT_USEC=${(drainMs + STOP_MS) * 1000}`);
  }

  /** Twice as often as is asked for, as sd_watchdog_enabled(3) has it. */
  #watch(): void {
    const { watchdogMs } = this.#given;
    if (watchdogMs === undefined || this.#pings) return;
    const ping = () => {
      if (this.#pinging) return;
      this.#pinging = true;
      void this.#tell('WATCHDOG=1').finally(() => {
        this.#pinging = false;
      });
    };
    this.#pings = setInterval(ping, Math.max(LEAST_PING_MS, watchdogMs / 2)).unref();
  }

  #tell(...said: string[]): Promise<void> {
    this.#last = this.#last.then(() => this.#send(said));
    return this.#last;
  }

  async #send(said: readonly string[]): Promise<void> {
    // Nobody but a service manager is told, and every start would pay.
    const { execFile } = await import('node:child_process');
    return new Promise((resolve) => {
      const options = { env: this.#given.env, timeout: TELL_MS };
      execFile(TELLER, [...said], options, (error) => {
        if (error && !this.#deaf) this.#signals.emit('service-manager.deaf', { cause: error.message.trim() });
        this.#deaf = error !== null;
        resolve();
      });
    });
  }
}
