import { isIP } from 'node:net';
import * as z from 'zod';
import { flag, httpUrl, integer } from '../core/schema.js';
import { resultCacheSchema } from '../gateway/resultCacheSchema.js';
import { auditSchema } from '../policy/auditSchema.js';
import { permissionsSchema } from '../policy/permissionsSchema.js';
import { quotasSchema } from '../policy/quotasSchema.js';
import { perParts } from '../resilience/destinationSchema.js';
import { tracesSchema } from '../telemetry/tracesSchema.js';
import { networkSchema } from '../wire/networkSchema.js';
import { isLegalName, isManagerName, MANAGER_NAME_RULE, NAME_RULE } from './names.js';

const DAY_MS = 86_400_000;

/** Milliseconds. */
const duration = integer(0, DAY_MS);

const name = z.string().refine(isLegalName, NAME_RULE);

/** A header's host: a name or address, with a port or without (RFC 9110 section 7.2); `*` is any, and no pattern. */
const host = z
  .string()
  .regex(
    /^(\*|(\[[\da-fA-F:.]+\]|[^\s/:?#[\]@*]+)(:\d{1,5})?)$/,
    'must be a host such as mcp.example.com or localhost:3001',
  )
  .toLowerCase();

/** An origin of any scheme, since editors and browser extensions have their own (RFC 6454 section 6.2); `*` is any. */
const browserOrigin = z
  .string()
  .regex(
    /^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+)$/i,
    'must be an origin such as https://app.example.com, without a path',
  )
  .toLowerCase();

const addressRange = z.string().refine(isNetwork, 'must be an IP address, or a network such as 10.0.0.0/8');

/** A listener of its own. */
const admin = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: integer(0, 65_535),
});

const server = z.strictObject({
  /** Address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free one. */
  port: integer(0, 65_535).prefault(3001),
  /** What callers know this process by, where that isn't the address it listens on. */
  publicUrl: httpUrl().exactOptional(),
  trustedProxies: z.array(addressRange).default([]),
  allowedHosts: z.array(host).default([]),
  allowedOrigins: z.array(browserOrigin).default([]),
  /** Where a request goes that names no destination. */
  defaultDestination: z.string().exactOptional(),
  /** The `web` destination that requests go to, unchanged, which select none. */
  passthrough: z.string().exactOptional(),
  maxBodyBytes: integer(1, 1024 ** 3).prefault(4 * 1024 * 1024),
  drainMs: duration.prefault(10_000),
  /** Connections of callers to each process at a time; by default what its limit of file descriptors allows. */
  maxConnections: integer(1, 1_000_000).exactOptional(),
  /** Where the hashes of callers' API keys are kept. */
  keyFile: z.string().min(1).exactOptional(),
  /** What every replica must share, so that each knows the sessions that the others began. */
  sessionKey: z.string().min(32, 'must have 32 characters or more, all of them random').exactOptional(),
  /** A listener of its own for the management API. */
  admin: admin.exactOptional(),
  /** The page of the management API. */
  ui: flag().default(true),
});

const retry = z.strictObject({
  /** The first one counts. */
  attempts: integer(1, 100).prefault(3),
  baseMs: duration.prefault(100),
  maxMs: duration.prefault(10_000),
  /** Repeats calls that may have been done already. */
  unsafe: flag().default(false),
});

const circuitBreaker = z.strictObject({
  failures: integer(1, 1_000_000).prefault(5),
  resetMs: duration.prefault(30_000),
  /** Circuits of a destination's tools, of its tenants, or of both, besides its own. */
  per: perParts.default([]),
  /** The store by which replicas tell each other what they found out. */
  store: z.string().exactOptional(),
});

const resilience = z.strictObject({
  connectMs: duration.prefault(5_000),
  firstByteMs: duration.prefault(300_000),
  idleMs: duration.prefault(300_000),
  retry: retry.prefault({}),
  circuitBreaker: circuitBreaker.prefault({}),
  resultCache: resultCacheSchema.prefault({}),
});

const metrics = z.strictObject({
  enabled: flag().default(true),
  /** Names past these share one series. */
  maxDestinations: integer(1, 10_000).prefault(500),
  /** Of each destination. */
  maxTools: integer(0, 10_000).prefault(50),
  maxTenants: integer(0, 10_000).prefault(100),
});

const level = z.enum(['error', 'warn', 'info', 'debug']);

const telemetry = z.strictObject({
  logLevel: level.default('info'),
  /** By destination: more, or less, than of the others. */
  logLevels: z.record(name, level).default({}),
  logFormat: z.enum(['json', 'pretty']).exactOptional(),
  audit: auditSchema.exactOptional(),
  metrics: metrics.prefault({}),
  traces: tracesSchema.exactOptional(),
});

const logins = z.strictObject({
  /** The store that keeps tokens, for all replicas. */
  store: z.string().exactOptional(),
  /** Moves the key that tokens on disk are sealed with to the system's keychain. */
  keychain: flag().default(false),
});

/** An entry: its kind and its options are judged by the registry. */
const entry = z.looseObject({});

/** The sections that are promised and not served yet: a rule that nobody enforces must not look enforced. */
export const SECTIONS_TO_COME: ReadonlySet<string> = new Set(['events']);

const toCome = z.strictObject({}).optional();

/** The whole file. Entries are judged by their kinds besides. */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  server: server.prefault({}),
  destinations: z.record(name, entry).default({}),
  credentials: z.record(name, entry).default({}),
  resilience: resilience.prefault({}),
  network: networkSchema.prefault({}),
  telemetry: telemetry.prefault({}),
  identity: z.record(name, entry).default({}),
  permissions: permissionsSchema.optional(),
  quotas: quotasSchema.optional(),
  events: toCome,
  logins: logins.prefault({}),
  stores: z.record(name, entry).default({}),
  secrets: z.record(z.string().refine(isManagerName, MANAGER_NAME_RULE), entry).default({}),
});

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  const widest = family === 4 ? 32 : 128;
  return (
    family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= widest))
  );
}
