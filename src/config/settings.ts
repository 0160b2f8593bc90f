import type { Deadlines } from '../contracts.js';

/** One `"<name>": { "kind": … }` of the configuration, its options still as written (interpolated, not yet parsed by the kind). */
export interface Entry {
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Folder that relative file names in the options start from. */
  readonly baseDir: string;
}

/** `server` of the configuration. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: URL;
  readonly trustedProxies: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly defaultDestination?: string;
  readonly passthrough?: string;
  readonly maxBodyBytes: number;
  readonly drainMs: number;
}

/** `resilience` of the configuration. */
export interface ResilienceSettings extends Deadlines {
  readonly retry: {
    readonly attempts: number;
    readonly baseMs: number;
    readonly maxMs: number;
    readonly unsafe: boolean;
  };
  readonly circuitBreaker: { readonly failures: number; readonly resetMs: number };
}

/** `telemetry` of the configuration. */
export interface TelemetrySettings {
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  /** Absent: pretty on a terminal, JSON otherwise. */
  readonly logFormat?: 'json' | 'pretty';
}

/** A configuration that is whole: every entry known to its kind, every reference resolved. */
export interface Settings {
  readonly server: ServerSettings;
  /** By name; service keys found in the key folder included. */
  readonly destinations: ReadonlyMap<string, Entry>;
  readonly credentials: ReadonlyMap<string, Entry>;
  readonly resilience: ResilienceSettings;
  readonly telemetry: TelemetrySettings;
  /** By flag: beats everything that a request says. */
  readonly forced: { readonly destination?: string };
  /** Default headers by flag, name in lower case and value; they beat a destination's own, and one that the caller sends beats them. */
  readonly defaultHeaders: ReadonlyArray<readonly [string, string]>;
  /** Every file that was read, and the folder of service keys: for the watcher. */
  readonly files: readonly string[];
  /** What to tell once, at the start or a reload: renamed keys, ignored entries. */
  readonly notices: readonly string[];
}
