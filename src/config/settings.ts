import type { LogLevel } from '../contracts/logLevels.js';
import type { Deadlines } from '../contracts.js';
import type { Secret } from '../core/secret.js';
import type { ResultCacheOptions } from '../gateway/resultCacheSchema.js';
import type { AuditSettings } from '../policy/auditSchema.js';
import type { PermissionsOptions } from '../policy/permissionsSchema.js';
import type { QuotasOptions } from '../policy/quotasSchema.js';
import type { BreakerOptions } from '../resilience/breakers.js';
import type { DestinationFields } from '../resilience/destinationSchema.js';
import type { MetricsOptions } from '../telemetry/metrics.js';
import type { TracesSettings } from '../telemetry/tracesSchema.js';
import type { NetworkBase } from '../wire/network.js';
import type { NetworkOptions } from '../wire/networkSchema.js';

/** One `"<name>": { "kind": … }` of the configuration, its options still as written (interpolated, not yet parsed by the kind). */
export interface Entry {
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Folder that relative file names in the options start from. */
  readonly baseDir: string;
  /** What every destination takes besides, whatever its kind; absent where nothing of it is written. */
  readonly common?: DestinationFields;
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
  /** Of each process. Absent: what its limit of file descriptors allows. */
  readonly maxConnections?: number;
  /** Absent: sessions hold for as long as the process. */
  readonly sessionKey?: string;
  /** The management API's own listener; absent: it is served with everything else. */
  readonly admin?: { readonly host: string; readonly port: number };
  /** Its page, `/ui`, wherever it is served. */
  readonly ui: boolean;
}

/** `resilience` of the configuration. */
export interface ResilienceSettings extends Deadlines {
  readonly retry: {
    readonly attempts: number;
    readonly baseMs: number;
    readonly maxMs: number;
    readonly unsafe: boolean;
  };
  readonly circuitBreaker: BreakerOptions & { readonly store?: string };
  readonly resultCache: ResultCacheOptions;
}

/** `telemetry` of the configuration. */
export interface TelemetrySettings {
  readonly logLevel: LogLevel;
  /** By destination. */
  readonly logLevels: Readonly<Record<string, LogLevel>>;
  /** Absent: pretty on a terminal, JSON otherwise. */
  readonly logFormat?: 'json' | 'pretty';
  readonly audit?: AuditSettings;
  readonly metrics: MetricsOptions & { readonly enabled: boolean };
  readonly traces?: TracesSettings;
}

/** How people log in at servers, and where what they get is kept. */
export interface LoginSettings {
  /** Absolute. */
  readonly folder: string;
  /** Tokens outlive the process. */
  readonly persist: boolean;
  /** The store that keeps tokens instead, for all replicas. */
  readonly store?: string;
  /** The key that tokens on disk are sealed with lies in the system's keychain. */
  readonly keychain: boolean;
  /** `none`: the address is only told. */
  readonly browser: 'system' | 'none';
  /** Of the redirect URI. */
  readonly host: string;
  /** The same. */
  readonly path: string;
  /** No other one will do. */
  readonly port?: number;
  /** How long a call waits for a person before it is answered with the address; milliseconds. */
  readonly waitMs: number;
  /** What mcp-remote may know of the server that is all there is. */
  readonly mcpRemote?: { readonly folder: string; readonly hash: string };
}

/** A configuration that is whole: every entry known to its kind, every reference resolved. */
export interface Settings {
  readonly server: ServerSettings;
  /** By name; service keys found in the key folder included. */
  readonly destinations: ReadonlyMap<string, Entry>;
  readonly credentials: ReadonlyMap<string, Entry>;
  readonly identity: ReadonlyMap<string, Entry>;
  readonly stores: ReadonlyMap<string, Entry>;
  /** What they held has been put where it is referred to. */
  readonly secrets: ReadonlyMap<string, Entry>;
  /** Absent: whoever is known may do everything. */
  readonly permissions: PermissionsOptions | undefined;
  readonly quotas: QuotasOptions | undefined;
  /** The folder of the configuration file: other files that it names start there. */
  readonly baseDir: string;
  /** Absolute: where the hashes of API keys are kept. */
  readonly keyFile: string;
  readonly resilience: ResilienceSettings;
  readonly login: LoginSettings;
  /** How other machines are reached, where a destination doesn't say so itself. */
  readonly network: NetworkBase & { readonly options: NetworkOptions };
  readonly telemetry: TelemetrySettings;
  /** By flag: a destination that beats everything that a request says; `GET /` as a door of HTTP+SSE. */
  readonly forced: { readonly destination?: string; readonly sseAtRoot?: true };
  /** Default headers by flag, name in lower case and value; they beat a destination's own, and one that the caller sends beats them. */
  readonly defaultHeaders: ReadonlyArray<readonly [string, string]>;
  /** Every file that was read, and the folder of service keys: for the watcher. */
  readonly files: readonly string[];
  /** What secret managers held: no log may show it. */
  readonly hidden: readonly Secret[];
  /** What to tell once, at the start or a reload: renamed keys, ignored entries. */
  readonly notices: readonly string[];
}
