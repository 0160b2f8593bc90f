import type { Exchange } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { isBridgeSession, SESSION_PREFIX } from './deps.js';
import { Replay, ReplayShelf } from './legacyToModernReplay.js';
import type { Envelope } from './legacyToModernWords.js';

/** What a session id says, sealed: whoever holds the key can serve it. */
export interface SessionState {
  /** The client's, as it was negotiated. */
  readonly revision: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly info?: object | undefined;
  /** What the server tells changes of: `tools`, `prompts`, `resources`; `subscribe`, `logging`. */
  readonly server: readonly string[];
}

/** Something of a session that runs. */
export interface Cancellable {
  cancel(): void;
}

/** A question to the client that waits for its answer. */
export interface Question {
  /** A response of the client, as text. */
  answered(text: string): void;
}

/** The stream that the client keeps open by GET. */
export interface Listening {
  /** Resolves once the server knows of the changed subscriptions. */
  changed(): Promise<void>;
  close(): void;
}

/** So many resources one session may subscribe to. */
const MOST_SUBSCRIPTIONS = 1_000;
/** So much all sessions of a bridge may remember of what they subscribed to, in characters. */
const MOST_REMEMBERED = 16 * 1024 * 1024;

/** What is left of something that all sessions share. */
class Allowance {
  #left: number;

  constructor(whole: number) {
    this.#left = whole;
  }

  /** False where there isn't so much. */
  take(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  give(amount: number): void {
    this.#left += amount;
  }
}
/** Without a level, servers of old sent what they saw fit. */
const DEFAULT_LEVEL = 'info';

/** A session as this process knows it: what its id says, and what happened since. */
export class Session {
  readonly id: string;
  readonly owner: string;
  readonly state: SessionState;
  readonly #subscriptions = new Set<string>();
  readonly #allowance: Allowance;
  /** What calls have said of late. */
  readonly replay: Replay;
  /** By the id of the client's request, as text. */
  readonly calls = new Map<string, Cancellable>();
  /** By the id of our request. */
  readonly questions = new Map<string, Question>();
  listening: Listening | undefined;
  logLevel: string | undefined;

  constructor(id: string, owner: string, state: SessionState, common: { allowance: Allowance; shelf: ReplayShelf }) {
    this.id = id;
    this.owner = owner;
    this.state = state;
    this.#allowance = common.allowance;
    this.replay = new Replay(common.shelf);
    this.logLevel = state.server.includes('logging') ? DEFAULT_LEVEL : undefined;
  }

  get envelope(): Envelope {
    return { capabilities: this.state.capabilities, info: this.state.info, logLevel: this.logLevel };
  }

  get busy(): boolean {
    return this.listening !== undefined || this.calls.size > 0;
  }

  get subscriptions(): ReadonlySet<string> {
    return this.#subscriptions;
  }

  /** False where there are too many. */
  subscribe(uri: string): boolean {
    if (this.#subscriptions.has(uri)) return true;
    if (this.#subscriptions.size >= MOST_SUBSCRIPTIONS || !this.#allowance.take(uri.length)) return false;
    this.#subscriptions.add(uri);
    return true;
  }

  /** False where there was no such subscription. */
  unsubscribe(uri: string): boolean {
    if (!this.#subscriptions.delete(uri)) return false;
    this.#allowance.give(uri.length);
    return true;
  }

  close(): void {
    this.listening?.close();
    for (const call of this.calls.values()) call.cancel();
    for (const uri of this.#subscriptions) this.unsubscribe(uri);
    this.replay.close();
  }
}

/** So many sessions are remembered; the id of one that was forgotten still says all but its log level and subscriptions. */
const MOST_SESSIONS = 10_000;
/** So many that run are passed over in search of one that may be forgotten; there are never more of them than connections. */
const MOST_PASSED = 32;
/** An ended session is known by the end of its id, which is as good as random. */
const TAIL = 32;

/** The sessions that a bridge began, or another process with the same seal. */
export class BridgeSessions {
  readonly #seal: Seal;
  /** In the order of their last use. */
  readonly #sessions = new Map<string, Session>();
  readonly #ended = new Set<string>();
  readonly #allowance = new Allowance(MOST_REMEMBERED);
  readonly #shelf = new ReplayShelf();

  constructor(seal: Seal) {
    this.#seal = seal;
  }

  begin(owner: string, state: SessionState): Session {
    return this.#remember(SESSION_PREFIX + this.#seal.close(JSON.stringify(state), owner), owner, state);
  }

  /**
   * The session that an exchange names.
   * @throws GatewayError INVALID_REQUEST where it names none, SESSION_LOST for one that isn't its caller's, or has ended
   */
  find(exchange: Exchange, owner: string): Session {
    const id = exchange.request.header('mcp-session-id');
    if (id === undefined) throw new GatewayError('INVALID_REQUEST', 'Mcp-Session-Id is missing: initialize first');
    const known = this.#sessions.get(id);
    if (known?.owner === owner) {
      this.#sessions.delete(id);
      this.#sessions.set(id, known);
      return known;
    }
    const state = known ? undefined : this.#open(id, owner);
    if (!state) throw new GatewayError('SESSION_LOST', 'there is no such session');
    return this.#remember(id, owner, state);
  }

  end(session: Session): void {
    this.#sessions.delete(session.id);
    forgetOldest(this.#ended, MOST_SESSIONS);
    this.#ended.add(session.id.slice(-TAIL));
    session.close();
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }

  #open(id: string, owner: string): SessionState | undefined {
    if (!isBridgeSession(id) || this.#ended.has(id.slice(-TAIL))) return undefined;
    const text = this.#seal.open(id.slice(SESSION_PREFIX.length), owner);
    return text === undefined ? undefined : (JSON.parse(text) as SessionState);
  }

  #remember(id: string, owner: string, state: SessionState): Session {
    if (this.#sessions.size >= MOST_SESSIONS) this.#forgetOne();
    const session = new Session(id, owner, state, { allowance: this.#allowance, shelf: this.#shelf });
    this.#sessions.set(id, session);
    return session;
  }

  /** The one that was used longest ago, but none that runs: whoever begins many sessions must not end those of others. */
  #forgetOne(): void {
    for (const session of [...take(this.#sessions.values(), MOST_PASSED)]) {
      this.#sessions.delete(session.id);
      if (!session.busy) return session.close();
      this.#sessions.set(session.id, session);
    }
  }
}

function* take<Value>(values: Iterable<Value>, most: number): Generator<Value> {
  let taken = 0;
  for (const value of values) {
    if (taken === most) return;
    taken += 1;
    yield value;
  }
}

function forgetOldest(keys: Set<string>, most: number): void {
  if (keys.size >= most) keys.delete(keys.values().next().value as string);
}

/** Whose sessions an exchange may use: nobody else's, at no other destination. */
export function ownerOf(exchange: Exchange, destination: string): string {
  return scopeKey(exchange.principal ?? null, destination, 'legacy-to-modern');
}

/** Capabilities that a session id has room for, in bytes of JSON; it travels in a header with each request. */
const MOST_STATE = 2_048;
const KINDS = ['sampling', 'elicitation', 'roots'];

/** A client's capabilities as 2026-07-28 has them: without tasks of old, and without what would burst a header. */
export function modernCapabilities(declared: unknown): Record<string, unknown> {
  if (!isObject(declared)) return {};
  const { tasks, ...capabilities } = declared;
  if (isObject(capabilities.elicitation) && Object.keys(capabilities.elicitation).length === 0) {
    capabilities.elicitation = { form: {} };
  }
  if (isObject(capabilities.roots)) capabilities.roots = {};
  if (fits(capabilities)) return capabilities;
  const asked = KINDS.filter((kind) => isObject(capabilities[kind]));
  return Object.fromEntries(asked.map((kind) => [kind, flagsOf(capabilities[kind])]));
}

/** Of a capability that is too large, the names of its parts: `form` and `url`, `tools` and `context`. */
function flagsOf(capability: unknown): object {
  const known = Object.keys(capability as object).filter((part) => ['form', 'url', 'tools', 'context'].includes(part));
  return Object.fromEntries(known.map((part) => [part, {}]));
}

/** Name, title and version of a client; pictures and all else stay behind. */
export function clientInfo(info: unknown): object | undefined {
  if (!isObject(info) || typeof info.name !== 'string' || typeof info.version !== 'string') return undefined;
  const said = ['name', 'title', 'version'].filter((key) => typeof info[key] === 'string');
  return Object.fromEntries(said.map((key) => [key, (info[key] as string).slice(0, 200)]));
}

function fits(value: object): boolean {
  return Buffer.byteLength(JSON.stringify(value)) <= MOST_STATE;
}
