import type { ServiceManagerEnvironment } from './config/environment.js';
import type { Signals } from './contracts.js';
import { PidFile } from './pidFile.js';
import { nobody, type ServiceManager, Systemd } from './serviceManager.js';

/** Exit code of a process that was told to end and had to cut something off: `drainMs` was over, or a second signal came. */
const CUT_OFF = 1;

/** What serves: this process, or those that it looks after. */
export interface Service {
  readonly url: string;
  readonly drainMs: number;
  reload(): Promise<unknown>;
  /** Lets what runs end. True when nothing had to be cut. */
  stop(): Promise<boolean>;
  /** Ends what runs at once, as far as the end of this process doesn't. */
  cut(): void;
}

export interface LifeDeps {
  readonly pidFile: PidFile | undefined;
  readonly manager: ServiceManager;
}

/** The pid-file that was asked for. @throws Error where a living process has it: nothing has been started yet */
export function openPidFile(file: string | undefined): PidFile | undefined {
  if (file === undefined) return undefined;
  const pidFile = new PidFile(file);
  pidFile.assertFree();
  return pidFile;
}

export function openServiceManager(given: ServiceManagerEnvironment | undefined, signals: Signals): ServiceManager {
  return given ? new Systemd(given, signals) : nobody;
}

/** A reload that the service manager hears of. */
export function told<Args extends readonly unknown[], Result>(
  manager: ServiceManager,
  url: string,
  reload: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    await manager.reloading();
    const result = await reload(...args);
    await manager.ready(statusOf(url));
    return result;
  };
}

/**
 * Looks after what serves by now until signals end it: SIGHUP reloads, the first SIGTERM or SIGINT drains, a second one
 * means it. Rejects, with nothing left running, where the pid-file can't be had after all.
 */
export async function live(service: Service, { pidFile, manager }: LifeDeps): Promise<void> {
  try {
    pidFile?.write();
  } catch (error) {
    await service.stop();
    throw error;
  }
  process.once('exit', () => pidFile?.remove());
  process.on('SIGHUP', () => void service.reload());
  let stopping = false;
  const stop = () => {
    if (stopping) {
      service.cut();
      process.exit(CUT_OFF);
    }
    stopping = true;
    // What tells it asks whose child it is: it must not be left alone.
    exitAfter(Promise.all([service.stop(), manager.stopping(service.drainMs)]).then(([clean]) => clean));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  void manager.ready(statusOf(service.url));
}

/** Ends the process once that is over, by what became of it: whether every call ended by itself. */
export function exitAfter(stopped: Promise<boolean>): void {
  void stopped.catch(() => false).then((clean) => process.exit(clean ? 0 : CUT_OFF));
}

function statusOf(url: string): string {
  return `listening on ${url}`;
}
