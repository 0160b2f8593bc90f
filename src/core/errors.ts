import type { ConfigFault } from '../contracts/operations.js';

/** One way in which an exchange can fail, towards callers. */
interface ErrorRow {
  readonly status: number;
  /** JSON-RPC code: the protocol's own where it has one, else OURS. */
  readonly rpc: number;
  /** What to do about it; a `GatewayError` may carry a closer one. */
  readonly hint: string;
}

/** All of our own failures share one JSON-RPC code and are told apart by `data.code`; outside the range that JSON-RPC and MCP keep. */
export const OURS = -31000;

/** The one table of errors. `docs/errors.md` is checked against it both ways. */
export const ERRORS = {
  PARSE_ERROR: { status: 400, rpc: -32700, hint: 'Send one JSON text in UTF-8 as the request body.' },
  INVALID_REQUEST: { status: 400, rpc: -32600, hint: 'Send a JSON-RPC 2.0 request, notification or response.' },
  HEADER_MISMATCH: {
    status: 400,
    rpc: -32020,
    hint: 'Make MCP-Protocol-Version, Mcp-Method and Mcp-Name say what the body says.',
  },
  HELD_ELSEWHERE: {
    status: 400,
    rpc: -32602,
    hint: 'Make the call anew, without requestState, or have the balancer send all requests of a caller to one process.',
  },
  MALFORMED_HTTP: { status: 400, rpc: OURS, hint: 'Send well-formed HTTP/1.1 with exactly one framing of the body.' },
  CONFLICTING_DESTINATIONS: {
    status: 400,
    rpc: OURS,
    hint: 'Name the destination once: in the path or in one header.',
  },
  INVALID_TARGET_URL: {
    status: 400,
    rpc: OURS,
    hint: 'Send an absolute http or https URL without user, password or fragment.',
  },
  AMBIGUOUS_TARGET_URL: {
    status: 400,
    rpc: OURS,
    hint: 'Several destinations list that origin: name one with x-btp-destination.',
  },
  NO_DESTINATION: {
    status: 400,
    rpc: OURS,
    hint: 'Send x-btp-destination, call /mcp/<destination>, or set server.defaultDestination.',
  },
  NO_TARGET_URL: {
    status: 400,
    rpc: OURS,
    hint: 'The destination has no URL of its own: set its url in the configuration.',
  },
  CALLER_UNKNOWN: {
    status: 401,
    rpc: OURS,
    hint: 'Send a valid token or API key; WWW-Authenticate says where a token is to be had.',
  },
  SCOPE_REQUIRED: { status: 403, rpc: OURS, hint: 'Get a token with the scopes that WWW-Authenticate names.' },
  LOGIN_REQUIRED: {
    status: 403,
    rpc: OURS,
    hint: 'A person must log in at the server first: run mcp-drawbridge login <destination>.',
  },
  CALLER_TOKEN_NEEDED: {
    status: 403,
    rpc: OURS,
    hint: 'Call with an OAuth token: the destination is shown what is made from it, and an API key or certificate will not do.',
  },
  NOT_PERMITTED: { status: 403, rpc: OURS, hint: 'Ask an operator for a role that allows this call.' },
  UNKNOWN_DESTINATION: {
    status: 403,
    rpc: OURS,
    hint: 'Check the name against the destinations in the configuration.',
  },
  TARGET_NOT_ALLOWED: { status: 403, rpc: OURS, hint: "Add the URL's origin to the destination's allowedUrls." },
  ADDRESS_NOT_ALLOWED: {
    status: 403,
    rpc: OURS,
    hint: 'A URL from a header must reach a public address, unless the destination sets allowPrivate.',
  },
  CREDENTIAL_ORIGIN_NOT_ALLOWED: {
    status: 403,
    rpc: OURS,
    hint: "Add the origin to the credential's origins, if it may see the token.",
  },
  HOST_NOT_ALLOWED: { status: 403, rpc: OURS, hint: 'Add the host to server.allowedHosts, or set server.publicUrl.' },
  ORIGIN_NOT_ALLOWED: { status: 403, rpc: OURS, hint: 'Add the origin to server.allowedOrigins.' },
  SESSION_LOST: { status: 404, rpc: OURS, hint: 'The session is gone, or another caller began it: initialize anew.' },
  NOT_FOUND: {
    status: 404,
    rpc: OURS,
    hint: 'MCP is served at /mcp and /mcp/<destination>; probes at /health/live, /health/ready and /health/startup.',
  },
  METHOD_NOT_ALLOWED: { status: 405, rpc: OURS, hint: 'Use POST, GET or DELETE.' },
  REQUEST_TIMEOUT: { status: 408, rpc: OURS, hint: 'Send the whole request without pausing.' },
  BODY_TOO_LARGE: { status: 413, rpc: OURS, hint: 'Send less, or raise server.maxBodyBytes.' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    rpc: OURS,
    hint: 'Send Content-Type: application/json, without a Content-Encoding.',
  },
  CONFIG_REFUSED: { status: 422, rpc: OURS, hint: 'Mend the faults in the configuration; nothing has changed so far.' },
  QUOTA_EXCEEDED: {
    status: 429,
    rpc: OURS,
    hint: 'Wait for the given seconds, or ask an operator for a larger quota.',
  },
  HEADERS_TOO_LARGE: { status: 431, rpc: OURS, hint: 'Send at most 16 KiB of headers.' },
  CALLER_LEFT: { status: 499, rpc: OURS, hint: 'Nobody is left to read this; it stands in the access record only.' },
  INTERNAL: { status: 500, rpc: OURS, hint: 'Report it with the request id; the log has the cause.' },
  UPGRADE_REFUSED: { status: 501, rpc: OURS, hint: 'WebSocket upgrades are passed to server.passthrough only.' },
  UPSTREAM_UNREACHABLE: {
    status: 502,
    rpc: OURS,
    hint: "Check that the destination's url is right and that its server runs.",
  },
  UPSTREAM_BROKE: {
    status: 502,
    rpc: OURS,
    hint: 'The server broke off before it answered. It may have done the work: look before you repeat.',
  },
  UPSTREAM_OUT_OF_MEMORY: {
    status: 502,
    rpc: OURS,
    hint: 'The process was ended since it grew too large: ask it for less, or raise maxMemoryMiB of the destination. It may have done the work.',
  },
  UPSTREAM_GARBAGE: {
    status: 502,
    rpc: OURS,
    hint: "What answered doesn't speak HTTP/1.1: check the destination's url.",
  },
  UPSTREAM_REFUSED: {
    status: 502,
    rpc: OURS,
    hint: 'The server refused the message: the HTTP status says why.',
  },
  CREDENTIAL_UNAVAILABLE: {
    status: 502,
    rpc: OURS,
    hint: "Check the destination's credential and its token endpoint.",
  },
  CREDENTIAL_REFUSED: {
    status: 502,
    rpc: OURS,
    hint: 'The server refuses even a fresh credential: check its audience, scopes and roles.',
  },
  CIRCUIT_OPEN: {
    status: 503,
    rpc: OURS,
    hint: 'The destination failed repeatedly and is left alone for a while: retry after the given seconds.',
  },
  IDENTITY_UNAVAILABLE: {
    status: 503,
    rpc: OURS,
    hint: 'Who calls could not be checked just now: retry after the given seconds.',
  },
  OVERLOADED: {
    status: 503,
    rpc: OURS,
    hint: 'This process has more to do than it can: retry after the given seconds.',
  },
  DRAINING: { status: 503, rpc: OURS, hint: 'This process is stopping: retry against another, or in a moment.' },
  UPSTREAM_TIMEOUT: {
    status: 504,
    rpc: OURS,
    hint: 'The server took too long: check it, or raise resilience.connectMs, firstByteMs or idleMs.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

interface Details {
  readonly hint?: string;
  /** Seconds, for `Retry-After`. */
  readonly retryAfter?: number;
  /** Further response headers. */
  readonly headers?: readonly string[];
  readonly cause?: unknown;
  /** The upstream can't have seen the request, so repeating it is always safe. */
  readonly neverSent?: boolean;
  /** Which limit was exceeded, such as `perCaller`. */
  readonly limit?: string;
  /** It is about what this caller alone has, such as a process of its own: nothing is said of the upstream's health. */
  readonly ofCaller?: boolean;
  /** What is wrong with a configuration. */
  readonly faults?: readonly ConfigFault[];
}

/**
 * A failure that callers are told about, by its row of the table. The cause goes to the log only. It has no stack: it is an
 * outcome, not a bug, and a flood of them must cost little.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryAfter: number | undefined;
  readonly headers: readonly string[];
  readonly neverSent: boolean;
  readonly limit: string | undefined;
  readonly ofCaller: boolean;
  readonly faults: readonly ConfigFault[] | undefined;

  constructor(code: ErrorCode, message: string, details: Details = {}) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'GatewayError';
    this.code = code;
    this.hint = details.hint ?? ERRORS[code].hint;
    this.retryAfter = details.retryAfter;
    this.headers = details.headers ?? [];
    this.neverSent = details.neverSent ?? false;
    this.limit = details.limit;
    this.ofCaller = details.ofCaller ?? false;
    this.faults = details.faults;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** A token could not be had. `mend` says what the operator can do; neither it nor the message holds a secret. */
export class CredentialError extends Error {
  readonly mend: string;
  /** Milliseconds that the provider asked us to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, mend: string, options: { retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CredentialError';
    this.mend = mend;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a person needs besides the address of a login. */
export interface LoginDetails {
  /** A page for a browser that can't come back by itself. */
  readonly paste?: string | undefined;
  /** What the page asks for (RFC 8628). */
  readonly userCode?: string | undefined;
  readonly over?: Promise<unknown> | undefined;
}

/** A person must log in first, at this address; with this code, where the page asks for one (RFC 8628). */
export class LoginRequired extends CredentialError {
  readonly url: string;
  readonly userCode: string | undefined;
  /** Settles when the person is back, or nobody will be. */
  readonly over: Promise<unknown> | undefined;

  constructor(url: string, { paste, userCode, over }: LoginDetails = {}) {
    const code = userCode === undefined ? '' : `, enter the code ${userCode}`;
    const elsewhere =
      paste === undefined ? '' : ` If the browser is on another machine and ends at an error, open ${paste} there.`;
    super('a person must log in', `Open ${url} in a browser${code} and log in; then repeat the call.${elsewhere}`);
    this.name = 'LoginRequired';
    this.url = url;
    this.userCode = userCode;
    this.over = over;
  }
}

/** One fault of a configuration: where it stands and what mends it. */
export interface Fault {
  /** File name as given, or `flags`, `environment`. */
  readonly file: string;
  /** Dotted path inside the file; empty for the file itself. */
  readonly path: string;
  readonly line?: number;
  readonly message: string;
  readonly hint?: string;
  readonly severity: 'fault' | 'warning';
}

/** A configuration that can't be used: every fault at once. Exit code 2. */
export class ConfigError extends Error {
  readonly faults: readonly Fault[];
  /** Absolute paths of what was read, or should have been: where a repair may come. */
  readonly files: readonly string[];

  constructor(faults: readonly Fault[], files: readonly string[] = []) {
    super(faults.map((fault) => `${fault.file}:${fault.path}: ${fault.message}`).join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
    this.files = files;
  }
}

/** The `code` of a system or library error, where it has one. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
