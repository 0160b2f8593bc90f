import type { Asking, AuthToken, CredentialDeps, CredentialSource, LoginPurpose, Logout, Owner } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { AskedLogin, type Asks } from './askedLogin.js';
import { atOnce, inTurn, type Job } from './askingTurns.js';
import { type Attempt, Attempts } from './attempts.js';
import { presentBearer } from './bearer.js';
import { Steps } from './steps.js';
import { type Granted, TokenRefusal } from './tokenAnswer.js';
import { renewAt } from './tokenLife.js';
import { type Bond, type HeldTokens, held, TokenMemory } from './tokenMemory.js';

/** Whoever is asked to log in: where that is told, and what it is for. */
export interface Person {
  readonly asks: Asks;
  readonly purpose: LoginPurpose;
}

/** How a kind comes by tokens that outlive their caller, and what binds them. */
export interface Grants {
  readonly bond: Bond;
  /** Rejects with a TokenRefusal where the refresh token serves no more. */
  refresh(refreshToken: string): Promise<Granted>;
  /** From the beginning, by a person. `refusal`: why what was kept could not be renewed. */
  begin(person: Person, refusal: CredentialError | undefined): Promise<Granted>;
  /** What another program keeps of the same login: taken over once, where nothing was ever kept here. */
  inherit?(): Promise<HeldTokens | undefined>;
  /** False where the authorization server has no place for it. */
  revoke(tokens: HeldTokens): Promise<boolean>;
}

export interface KeptOptions {
  /** The kind: part of the name that tokens are kept under. */
  readonly kind: string;
  /** Whose they are: one for everybody, or one for each caller. */
  readonly for: CredentialSource['scope'];
  readonly origins: readonly string[];
  /** Asked for each time that tokens are: what they are bound to may have changed on disk. */
  grants(): Grants | Promise<Grants>;
}

/** For everything but the person. Milliseconds. */
const MACHINE_MS = 60_000;

/** Whose tokens are wanted, and where they are kept. */
interface Work {
  readonly key: string;
  readonly asking: Asking;
  readonly grants: Grants;
  readonly memory: TokenMemory;
}

/** Either what was wanted, or why a person is needed. */
type Renewed = { readonly token: AuthToken } | { readonly refusal: CredentialError | undefined };

/**
 * Tokens that somebody started and a refresh token carries on: kept in the vault, bound to what they were obtained for,
 * renewed by one process at a time. However many want them at their end, the refresh token is shown once.
 */
export class KeptTokens implements CredentialSource {
  readonly scope: CredentialSource['scope'];
  readonly origins: readonly string[];
  readonly renewable = true;
  readonly present = presentBearer;
  readonly #options: KeptOptions;
  readonly #deps: CredentialDeps;
  readonly #attempts = new Attempts();
  readonly #steps = new Steps();

  constructor(options: KeptOptions, deps: CredentialDeps) {
    this.scope = options.for;
    this.origins = options.origins;
    this.#options = options;
    this.#deps = deps;
  }

  get patienceMs(): number {
    return this.#deps.logins.waitMs + MACHINE_MS;
  }

  async acquire(_signal: AbortSignal, asking: Asking): Promise<AuthToken> {
    const work = await this.#work(asking);
    // Before an attempt that waits for a person is joined: another process may have what they were asked for.
    const known = usable(await work.memory.read(), asking, this.#deps.clock.now());
    if (known) return known;
    if (asking.person === 'never') return this.#withoutAnybody(work);
    return this.#attempts.join(work.key, this.#deps, (attempt) => this.#obtain(work, attempt));
  }

  async logout(owner: Owner | null): Promise<Logout> {
    const grants = await this.#options.grants();
    const memory = this.#memory(owner, grants);
    return memory.alone(async () => {
      const tokens = await memory.read();
      const revoked = tokens ? await grants.revoke(tokens).catch(faultOf) : false;
      await memory.forget();
      if (grants.inherit) await memory.write(undefined);
      const said = typeof revoked === 'string' ? { revoked: false, fault: revoked } : { revoked };
      return { held: tokens !== undefined, ...said };
    });
  }

  async #work(asking: Asking): Promise<Work> {
    const grants = await this.#options.grants();
    return { key: scopeKey(asking.owner), asking, grants, memory: this.#memory(asking.owner, grants) };
  }

  #memory(owner: Owner | null, { bond }: Grants): TokenMemory {
    return new TokenMemory(this.#deps.vault, owner, this.#options.kind, this.#deps.name, bond);
  }

  async #withoutAnybody(work: Work): Promise<AuthToken> {
    const renewed = await work.memory.alone(() => this.#renew(work));
    if ('token' in renewed) return renewed.token;
    throw (
      renewed.refusal ?? new CredentialError('nobody is logged in there', 'Run mcp-drawbridge login <destination>.')
    );
  }

  async #obtain(work: Work, attempt: Attempt): Promise<AuthToken> {
    const { memory, grants, asking } = work;
    const { clock, logins, name: credential } = this.#deps;
    const renewed = await memory.alone(() => this.#renew(work));
    if ('token' in renewed) return renewed.token;
    const ask: Job<AuthToken> = async (asks, quiet) => {
      const known = usable(await memory.read(), asking, clock.now());
      if (known) return known;
      const purpose = { owner: asking.owner, server: asking.url, credential, quiet };
      const tokens = held(await grants.begin({ asks, purpose }, renewed.refusal));
      await memory.alone(() => memory.write(tokens));
      return toToken(tokens);
    };
    const asked = new AskedLogin(this.#deps, asking.owner, this.#options.kind, credential, grants.bond.place);
    const turn = { attempt, asked, clock, logins };
    return asking.person === 'now' ? atOnce(turn, ask) : inTurn(turn, ask);
  }

  /** Under the lock: what another process did meanwhile is looked at first. */
  async #renew(work: Work): Promise<Renewed> {
    const { memory, grants, asking } = work;
    const { clock } = this.#deps;
    const tokens = (await memory.read()) ?? (await inherited(work));
    const known = usable(tokens, asking, clock.now());
    if (known) return { token: known };
    if (asking.refused) this.#steps.take(work.key, clock.now(), asking.refused.token.obtainedAt);
    const refreshToken = tokens?.refreshToken ?? grants.bond.root;
    if (refreshToken === undefined) return { refusal: undefined };
    try {
      const renewed = held(await grants.refresh(refreshToken), refreshToken);
      await memory.write(renewed.scope === undefined ? { ...renewed, ...scopeOf(tokens) } : renewed);
      return { token: toToken(renewed) };
    } catch (error) {
      if (!(error instanceof TokenRefusal) || !meansToken(error)) throw error;
      return this.#refused(work, tokens, error);
    }
  }

  /** A token that still lives serves to its end before anybody is asked. */
  async #refused(
    { memory, asking, grants }: Work,
    tokens: HeldTokens | undefined,
    refusal: TokenRefusal,
  ): Promise<Renewed> {
    const { refreshToken, ...rest } = tokens ?? {};
    const alive = usable(tokens && ({ ...rest } as HeldTokens), asking, this.#deps.clock.now());
    // What came of a token that was written down is the operator's to replace.
    const forgets = refreshToken !== undefined && grants.bond.root === undefined && SURE.has(refusal.code);
    if (forgets) await memory.write(rest as HeldTokens);
    if (!alive) return { refusal };
    if (forgets) return { token: alive };
    throw refusal;
  }
}

/** Once: whoever has logged out here since shall not be logged in by what another program still has. */
async function inherited({ memory, grants }: Work): Promise<HeldTokens | undefined> {
  if (!grants.inherit || !(await memory.isNew())) return undefined;
  const tokens = await grants.inherit();
  await memory.write(tokens);
  return tokens;
}

/** RFC 6749 section 5.2, and what UAA says in its place. */
const SURE: ReadonlySet<string | undefined> = new Set(['invalid_grant', 'invalid_token']);
/** What is wrong with the client or the request is not mended by a login. */
const ABOUT_THE_CLIENT: ReadonlySet<string | undefined> = new Set([
  'invalid_client',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'server_error',
  'temporarily_unavailable',
  'unauthorized',
  'unauthorized_client',
  'unsupported_grant_type',
]);

/** Providers with words of their own leave only the status to judge by. */
function meansToken({ status, code }: TokenRefusal): boolean {
  return SURE.has(code) || ([400, 401, 403].includes(status) && code !== undefined && !ABOUT_THE_CLIENT.has(code));
}

/** What serves on without anybody being asked for anything. */
function usable(tokens: HeldTokens | undefined, { refused }: Asking, now: number): AuthToken | undefined {
  if (!tokens || tokens.value === refused?.token.value) return undefined;
  const token = toToken(tokens);
  const until = tokens.refreshToken === undefined ? token.expiresAt : renewAt(token);
  return tokens.expiresAt === undefined || now < until ? token : undefined;
}

function toToken({ value, obtainedAt, expiresAt = Number.POSITIVE_INFINITY }: HeldTokens): AuthToken {
  return { value, obtainedAt, expiresAt };
}

/** A renewed token has the scope of the one before, unless it says another (RFC 6749 section 5.1). */
function scopeOf(tokens: HeldTokens | undefined): { scope?: string } {
  return tokens?.scope === undefined ? {} : { scope: tokens.scope };
}

function faultOf(error: unknown): string {
  return error instanceof CredentialError ? error.message : 'the authorization server gave no answer';
}
