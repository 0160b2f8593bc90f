/** The contracts by which the rooms of this house meet: types only. Words are used as ARCHITECTURE.md defines them. */
import type { Dispatcher } from 'undici';
import type { ZodType } from 'zod';
import type { EraOption, McpCall } from './contracts/calls.js';
import type { ChildProcess, Clock, Deadlines, Signals, Vault } from './contracts/house.js';
import type { Logins, Logout } from './contracts/logins.js';
import type { Pool, RouteTurn } from './contracts/pools.js';
import type { Owner, Principal, Proof } from './contracts/principal.js';
import type { RestRequest, RestResponse } from './contracts/rest.js';
import type { Flow, HeaderLines, Inbound, Sink } from './contracts/streams.js';
import type { ToolSwitches } from './contracts/toolSwitches.js';
import type { Trace } from './contracts/tracing.js';

export type { Era, EraOption, McpCall } from './contracts/calls.js';
export type { Expansion } from './contracts/expansion.js';
export type { ChildProcess, Clock, Deadlines, Signals, Store, Vault } from './contracts/house.js';
export type { Callback, Login, LoginPurpose, Logins, Logout } from './contracts/logins.js';
export type { Owner, Principal, Proof } from './contracts/principal.js';
export type { RestRequest, RestResponse } from './contracts/rest.js';
export type { Ending, Judgement, Rules, RulesDeps } from './contracts/rules.js';
export type { HeldSecret, SecretDeps, SecretManager } from './contracts/secrets.js';
export type { Flow, HeaderLines, Inbound, RawExchange, Sink } from './contracts/streams.js';
export type { Step as TraceStep, Trace, TraceContext } from './contracts/tracing.js';

/** Where a request comes in. */
export type Door = 'mcp' | 'stdio' | 'web' | 'hook' | 'admin';

/** What path and headers ask for, once it is known to be allowed. */
export interface RoutingDecision {
  readonly strategy: 'PROXY' | 'PASSTHROUGH';
  readonly destination: string;
  /** A target that a header chose; absent where the destination's own URL is meant. */
  readonly url?: URL;
  readonly by: 'flag' | 'path' | 'header' | 'url' | 'default' | 'passthrough' | 'member';
}

/** Where an exchange goes. */
export interface Route {
  readonly destination: string;
  readonly upstream: Upstream;
  readonly url: URL;
  /** True when a header chose the URL and the destination doesn't `allowPrivate`: public addresses only. */
  readonly publicOnly: boolean;
  /** The credential's name; undefined where none is configured. */
  readonly credential: string | undefined;
  /** Begins a call at the member of a pool that this one leads to; absent where there is no pool. */
  readonly begin?: () => RouteTurn<Reply>;
}

/** What an exchange cost so far. Milliseconds; written by the attempt chain only. */
export interface Costs {
  attempts: number;
  tokenMs: number;
  /** From the first attempt's start to the head of the answer that was taken. */
  upstreamMs: number;
  /** Of the answer's body, as far as it was written; by whoever writes it. */
  sentBytes: number;
}

/** How an exchange ended. */
export type Outcome = 'complete' | 'caller-left' | 'upstream-broke';

/** One request on its way: plain data that knows no socket. Each optional field has exactly one writer. */
export interface Exchange {
  readonly id: string;
  readonly door: Door;
  /** What came in. Written again by `sessions`, which gives a session the name that its upstream knows it by. */
  request: Inbound;
  /** True once nobody waits for the answer any more: the caller left, or a drain ran out. */
  readonly gone: boolean;
  /** Aborts then. Made when it is first asked for: most exchanges end without one. */
  readonly signal: AbortSignal;
  /** What is let go of then. Written by whoever holds an upstream at the time. */
  held: Pick<Flow, 'cancel'> | undefined;
  /** Of the monotonic clock. */
  readonly startedAt: number;
  readonly costs: Costs;
  /** The browser's origin, once it is known to be allowed. Written by `guard`. */
  browserOrigin?: string | undefined;
  /** Written by `intercept`. */
  decision?: RoutingDecision | undefined;
  /** Written by `identify`. */
  principal?: Principal | undefined;
  /** True where the caller's token or key was meant for us: it goes no further. Written by `identify`. */
  tokenIsOurs?: boolean | undefined;
  /** Written by `read`. */
  call?: McpCall | undefined;
  /** Written by `route`. */
  route?: Route | undefined;
  /** True where the client of its session shows addresses to people. Written by `sessions`. */
  elicitsUrls?: boolean | undefined;
  /** What joins an answer that is no failure: how much is left of a limit. Written by `limitCaller`. */
  answerLines?: HeaderLines | undefined;
  /** Absent where nothing is recorded. Written by `observe`. */
  trace?: Trace | undefined;
  /** Why it failed, in the words of the table. Written by `observe`, or by whoever made an answer of it. */
  failure?: (Error & { readonly code: string; readonly limit?: string | undefined }) | undefined;
  /** Written by `observe`; the door calls it once, when the last byte left or nobody is left to read it. */
  ended?: ((exchange: Exchange, outcome: Outcome, status: number) => void) | undefined;
}

/** An upstream that writes to the caller's socket itself. Resolves with the status once the answer is out. */
export type TakeOver = { takeOver(): Promise<number> };

/** The answer to an exchange: returned, never written. */
export interface Reply {
  readonly status: number;
  readonly headers: HeaderLines;
  readonly body: Buffer | null | ((sink: Sink) => Flow) | TakeOver;
  readonly origin: 'upstream' | 'gateway' | 'cache';
}

/** What answers an exchange. */
export type Handler = (exchange: Exchange) => Reply | Promise<Reply>;

/** One step of the exchange chain; `next` is the rest of it. A stage with nothing to wait for makes no promise. */
export type Stage = (exchange: Exchange, next: Handler) => Reply | Promise<Reply>;

/** One try at one upstream. */
export interface Attempt {
  readonly number: number;
  readonly route: Route;
  readonly credential: Credential | undefined;
  /** Lines by which the upstream joins the trace; they replace the caller's. */
  readonly trace?: HeaderLines | undefined;
}

/** The running thing behind a destination. */
export interface Upstream {
  readonly name: string;
  readonly strategy: RoutingDecision['strategy'];
  /** Where a request goes that named no URL; absent where the operator gave none. */
  readonly url?: URL;
  /** Further origins that a header may name. */
  readonly allowedOrigins: readonly string[];
  readonly allowPrivate: boolean;
  readonly credential?: string;
  /** Which revisions the server speaks; absent: nothing is ever translated for it. */
  readonly era?: EraOption;
  /** True where a wrong guess at the era may never be answered, so that it is asked for first: a child's pipes. */
  readonly askEraFirst?: boolean;
  /** True where it is shown headers of the caller's own: what it answers is that caller's alone. */
  readonly personal?: boolean;
  /** True where it only calls other destinations: breaker, credential and repeats are theirs. */
  readonly delegates?: boolean;
  /** Several URLs instead of one. `url` is the first of them. */
  readonly pool?: Pool;
  /** Whether it shows a tool, and lets it be called; absent: all of them. */
  readonly offers?: (tool: string) => boolean;
  /** Its tools, where they live in this house. */
  readonly tools?: ToolSwitches;
  /** The processes that it has started; absent: it starts none. */
  children?(): readonly ChildProcess[];
  /** Reads ahead, as the gateway itself, what calls will ask for; rejects with what can't be read. Absent: there is nothing. */
  warmUp?(credential: Credential | undefined): Promise<void>;
  /** True when the method or tool is known to be read-only or idempotent. */
  safeToRepeat(call: McpCall): boolean;
  /** The URL that this exchange is sent to, from the one that was chosen. */
  resolve(base: URL, request: Inbound): URL;
  /** Rejects with a GatewayError; any answer that came, whatever its status, resolves. */
  send(exchange: Exchange, attempt: Attempt): Promise<Reply>;
  close(): Promise<void>;
}

/** A token and how long it serves. Epoch milliseconds. */
export interface AuthToken {
  readonly value: string;
  readonly obtainedAt: number;
  readonly expiresAt: number;
}

/** What is shown to an upstream. */
export type Credential = {
  readonly headers: HeaderLines;
  readonly token: AuthToken;
  /** What of a server's answers would give it away: names in lower case. Callers don't get these headers. */
  readonly hides?: ReadonlySet<string>;
  /** True for what the caller itself sent along: what the server says of it is the caller's to hear. */
  readonly callers?: true;
};

/** For whom, and for what, a token is asked. */
export interface Asking {
  /** Null for the gateway's own. */
  readonly owner: Owner | null;
  /** The server that it will be shown to. */
  readonly url: URL;
  /** Who calls, with the proof; only for a source that has a `basis`. */
  readonly caller?: Principal;
  /** The token that the server refused last, and what it said in `WWW-Authenticate`. */
  readonly refused?: { readonly token: AuthToken; readonly challenge: string | undefined };
  /** `never`: nobody is asked to log in. `now`: somebody is there who means to; they don't queue behind others who are asked. */
  readonly person?: 'never' | 'now';
}

/** One way to obtain a credential. Knows nothing of caches, locks or origins' checks: those are the broker's. */
export interface CredentialSource {
  readonly scope: 'gateway' | 'caller';
  /** The only origins that may see it. */
  readonly origins: readonly string[];
  /** True when a refused token is worth asking anew: false for what an operator wrote down. */
  readonly renewable: boolean;
  /** True where each server gets a token of its own. */
  readonly perServer?: true;
  /** What a token is obtained for besides, such as a tenant: part of the key that it is kept under. */
  boundTo?(): readonly string[];
  /** How long a token may take; milliseconds. A person takes longer than a machine. */
  readonly patienceMs?: number;
  /** What of the caller the token is made of, besides whose it is: another basis, another token, which ends with it. Throws a GatewayError. */
  basis?(caller: Principal): Pick<Proof, 'id' | 'expiresAt'>;
  /** For what a caller sends along for the server itself: nothing is obtained, kept or renewed. Throws a GatewayError. */
  passOn?(exchange: Exchange): Credential;
  /** Rejects with a CredentialError that says what mends it. */
  acquire(signal: AbortSignal, asking: Asking): Promise<AuthToken>;
  /** Tells the authorization server, where it takes that, and forgets what is kept for that owner. */
  logout?(owner: Owner | null): Promise<Logout>;
  present(token: AuthToken): Credential;
}

/** Obtains, caches and renews credentials; one token request at a time per credential and subject. */
export interface AuthBroker {
  /** Rejects with CREDENTIAL_ORIGIN_NOT_ALLOWED before anything is fetched for an origin that isn't listed. */
  credential(name: string, exchange: Exchange, origin: string): Credential | Promise<Credential>;
  /** Drops that very token, not a newer one. True when a fresh one may be had. `challenge`: the server's `WWW-Authenticate`. */
  reject(name: string, credential: Credential, challenge?: string): boolean;
  /** The gateway's own tokens that are held, by credential; never their values. */
  list(): readonly (Omit<AuthToken, 'value'> & { readonly name: string })[];
  /** Forgets the gateway's own token of that credential. True when there was one. */
  drop(name: string): boolean;
  close(): Promise<void>;
}

/** What every kind is handed. */
export interface KindDeps {
  /** The name that the configuration gave. */
  readonly name: string;
  readonly clock: Clock;
  readonly signals: Signals;
  /** Relative file names start here: the folder of the configuration file. */
  readonly baseDir: string;
  /** Rejects with a RestError when no answer came. */
  rest(request: RestRequest): Promise<RestResponse>;
}

/** What a credential kind is handed besides. */
export interface CredentialDeps extends KindDeps {
  /** Where what must not be lost is kept. */
  readonly vault: Vault;
  readonly logins: Logins;
  /** A `fetch` for addresses that somebody else wrote: metadata, and what it names. See `wire/safeFetch`. */
  fetchFor(server: URL): typeof fetch;
}

/** What an upstream kind is handed besides. */
export interface UpstreamDeps extends KindDeps {
  /** What a process that we start needs of our own environment, and no more. */
  readonly childEnv: Readonly<Record<string, string>>;
  readonly deadlines: Deadlines;
  /** `publicOnly` refuses every address that isn't public, whatever name it hides behind. */
  readonly dispatchers: { readonly open: Dispatcher; readonly publicOnly: Dispatcher };
  /** True where the credential that it is shown is its caller's own. */
  readonly personal?: boolean;
  /**
   * Another destination, as if its caller had called it itself: by its own name, permissions, quotas and credential, in
   * whichever era the message is. Undefined for a name that isn't configured. To be asked at the time of a call.
   */
  member(name: string): Handler | undefined;
}

/** One implementation of an extension point, chosen by `"kind"`. */
export interface Kind<Contract, Options = unknown, Deps = KindDeps> {
  readonly options: ZodType<Options>;
  /** Optional peers it needs: package → range. */
  readonly requires?: Readonly<Record<string, string>>;
  create(options: Options, deps: Deps): Contract | Promise<Contract>;
}

/** A kind of which only the contract is known: what its schema parsed is what its `create` takes. */
export type AnyKind<Contract, Deps = KindDeps> = Omit<Kind<Contract, never, Deps>, 'options'> & {
  readonly options: ZodType;
};
