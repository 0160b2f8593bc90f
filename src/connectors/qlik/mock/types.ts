import type { KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../contracts.js';

/** An OAuth client of the tenant. One that is published lives in several tenants: give it to each of them. */
export interface MockClient {
  readonly id: string;
  /** Absent: a public client, which needs PKCE. */
  readonly secret?: string;
  /** Of a client that proves itself by `private_key_jwt`. */
  readonly publicKey?: KeyObject;
  readonly keyId?: string;
  /** Short names; by default all that the kind of client can have. */
  readonly grants?: readonly MockGrant[];
  /** What its tokens can carry at most; by default `user_default admin_classic offline_access mcp:execute`. */
  readonly scopes?: readonly string[];
  /** At most five; a login comes back to exactly one of them. */
  readonly redirectUris?: readonly string[];
  /** `client_credentials` and impersonation want a trusted client; true by default. */
  readonly trusted?: boolean;
  /** False: unusable until an administrator has connected once, as registered clients are. */
  readonly approved?: boolean;
}

export type MockGrant = 'client_credentials' | 'impersonation' | 'authorization_code' | 'refresh_token';

export interface MockUser {
  readonly id: string;
  readonly subject: string;
  readonly name: string;
  readonly email?: string;
  /** Such as `TenantAdmin`, `AnalyticsAdmin`, `AuditAdmin`. */
  readonly roles?: readonly string[];
  readonly groups?: readonly string[];
  readonly status?: 'active' | 'invited' | 'disabled';
}

export interface MockSpace {
  readonly id: string;
  readonly name: string;
  readonly type: 'shared' | 'managed' | 'data';
  readonly ownerId: string;
  readonly description?: string;
  /** User id → roles in the space, such as `consumer`, `contributor`, `facilitator`. */
  readonly members?: Readonly<Record<string, readonly string[]>>;
}

export type MockValue = string | number | null;
export type MockRow = Readonly<Record<string, MockValue>>;

export interface MockObject {
  readonly id: string;
  /** Such as `barchart`, `table`. */
  readonly type: string;
  readonly title?: string;
  /** Field names, expressions, or `{ library }`: the id of a master item. */
  readonly dimensions?: readonly (string | { readonly library: string })[];
  readonly measures?: readonly (
    | string
    | { readonly library: string }
    | { readonly expression: string; readonly label: string }
  )[];
  /** Properties that are not made of the above. */
  readonly properties?: Readonly<Record<string, unknown>>;
}

export interface MockApp {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly ownerId: string;
  /** Absent: in the owner's personal space. */
  readonly spaceId?: string;
  /** Tables are associated by fields of the same name. */
  readonly tables?: Readonly<Record<string, readonly MockRow[]>>;
  readonly measures?: readonly MockMeasure[];
  readonly dimensions?: readonly MockDimension[];
  readonly variables?: readonly MockVariable[];
  readonly sheets?: readonly MockSheet[];
  readonly script?: string;
  /** The selection with which every new session begins, as an app that was saved with one: field → values. */
  readonly selections?: Readonly<Record<string, readonly MockValue[]>>;
}

export interface MockMeasure {
  readonly id: string;
  readonly title: string;
  readonly expression: string;
  readonly description?: string;
}

export interface MockDimension {
  readonly id: string;
  readonly title: string;
  /** More than one: a drill-down. */
  readonly fields: readonly string[];
  readonly description?: string;
}

export interface MockVariable {
  readonly id: string;
  readonly name: string;
  /** A literal, or an expression that begins with `=`. */
  readonly definition: string;
  readonly comment?: string;
}

export interface MockSheet {
  readonly id: string;
  readonly title: string;
  readonly description?: string;
  readonly objects: readonly MockObject[];
}

/** A record of a REST resource, as the API shows it; what is missing is made up. */
export type MockRecord = Readonly<Record<string, unknown>> & { readonly id: string };

/** Records by the resource's name in its path: `automations`, `glossaries`, `audits`, `webhooks` … */
export type MockRecords = Readonly<Record<string, readonly MockRecord[]>>;

export interface MockQlikOptions {
  readonly tenantId?: string;
  readonly name?: string;
  readonly clients?: readonly MockClient[];
  readonly users?: readonly MockUser[];
  readonly spaces?: readonly MockSpace[];
  readonly apps?: readonly MockApp[];
  /** API key → id of the user whose it is. */
  readonly apiKeys?: Readonly<Record<string, string>>;
  /** Replaces the default seed of the resources that it names. */
  readonly records?: MockRecords;
  /** The identity provider whose JWTs `/login/jwt-session` takes. */
  readonly trustedIssuer?: { readonly issuer: string; readonly publicKey: KeyObject; readonly keyId: string };
  /** Who is logged in at `/oauth/authorize`: a user's id. Absent: nobody, and a login is refused. */
  readonly browserUser?: string;
  /** Whether clients may register themselves; true by default. */
  readonly registration?: boolean;
  /** Requests per user and minute; 1000, 100 and 50 by default. */
  readonly tierLimits?: Partial<Record<MockTier, number>>;
  /** Of access tokens; 21600 by default. */
  readonly tokenSeconds?: number;
  /** How long a reload stays queued, and again how long it runs; 40 by default. `null`: only `stepReload` moves it. */
  readonly reloadStepMs?: number | null;
  /** Parallel engine sessions of a user; 5 by default, more are closed with 4005. */
  readonly engineSessions?: number;
  /** A socket that is silent for so long is closed with 4001; 40,000 by default. */
  readonly engineIdleMs?: number;
  readonly clock?: Pick<Clock, 'now'>;
  /**
   * What answers at `/api/ai/mcp`, where Qlik's own MCP server stands, once a token of scope `mcp:execute` has been shown;
   * `subject` is its user's. Absent: there is none.
   */
  readonly mcp?: (request: IncomingMessage, response: ServerResponse, subject: string) => void;
}

export type MockTier = 'tier1' | 'tier2' | 'special';

/** What somebody asked of the tenant. */
export interface Asked {
  /** `rest`: a request of the API. `login`: one below /oauth, /login, /.well-known. `socket`: an engine socket that asked to open. `frame`: a call on it. `mcp`: one to the MCP server. */
  readonly kind: 'rest' | 'login' | 'socket' | 'frame' | 'mcp';
  /** The user's subject; a client's id at the token endpoint; undefined when nobody was recognised. */
  readonly who: string | undefined;
  /** `GET`; of a frame the method, such as `OpenDoc`. */
  readonly method: string;
  /** As it was sent, without the query; of a frame the path of its socket. */
  readonly path: string;
  readonly query: string;
  /** HTTP's; of a frame 0, or the code of its error. */
  readonly status: number;
  /** Of `socket` and `frame`: counted from 1. */
  readonly socket?: number;
  /** Of a token request: its grant. */
  readonly grant?: string;
  /** The bearer token or API key that came with it, for tests of who shows what to whom. */
  readonly bearer?: string;
  readonly body?: unknown;
}

export type EngineCloseCode = 4001 | 4005 | 4006 | 4203 | 4204 | 4205 | 4230 | 4240;

/** What goes wrong on purpose. Each `times` counts down; 1 by default. */
export interface MockFaults {
  /** The next requests of the tier answer 429, asking to wait so many seconds. */
  limit(tier: MockTier, times?: number, retryAfterSeconds?: number): void;
  /** The next requests whose path begins so answer the status. */
  fail(path: string, status: number, times?: number): void;
  /** Requests whose path begins so wait before they are looked at; 0 ends it. */
  delay(path: string, ms: number): void;
  /** While on, the `next` of a page leads to the same page again. */
  loopPages(on: boolean): void;
  /** While set, the `next` of a page leads to this origin. */
  foreignNext(origin: string | undefined): void;
  /** No token that was minted so far, and no session, is known any more. */
  dropTokens(): void;
  /** Closes every socket with the code, now. */
  closeSockets(code: number, reason?: string): void;
  /** The next call of the engine method closes its socket instead of being answered. */
  closeOn(method: string, code: number, times?: number): void;
  /** The next sockets are closed with the code once they are open. */
  closeNextSockets(code: number, times?: number): void;
  /** The next calls of the engine method answer an error with the code. */
  refuse(method: string, code: number, times?: number): void;
  /** Calls of the engine method wait before they are answered; 0 ends it. */
  delayMethod(method: string, ms: number): void;
  /** The next selections answer that they succeeded, and select nothing. */
  selectNothing(times?: number): void;
}

export interface MockQlik {
  /** Such as `http://127.0.0.1:40123`; the engine is at `ws://` of the same, below `/app/`. */
  readonly origin: string;
  readonly tenantId: string;
  /** All that was asked, in the order of the answers. */
  readonly ledger: readonly Asked[];
  readonly faults: MockFaults;
  /** How many entries of the ledger have all of these. */
  count(like: Partial<Asked>): number;
  /** Forgets the ledger's entries so far. */
  forget(): void;
  /** Open engine sockets. */
  readonly openSockets: number;
  /** Engine sessions that live, whoever's they are. */
  readonly engineSessions: number;
  /** A token, as the token endpoint would mint it for the user. */
  mint(userId: string, scope?: string): Promise<string>;
  /** Moves a reload on: QUEUED → RELOADING → SUCCEEDED, or to the end that is given. */
  stepReload(id: string, end?: 'SUCCEEDED' | 'FAILED' | 'EXCEEDED_LIMIT'): string;
  /** What an administrator's first connection does for a registered client. */
  approve(clientId: string): void;
  /** The records of a resource, live. */
  records(resource: string): readonly MockRecord[];
  /** Closes what is open. */
  close(): Promise<void>;
}
