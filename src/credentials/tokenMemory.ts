import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Owner, Vault } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Granted } from './tokenAnswer.js';

/** Epoch milliseconds; without `expiresAt` there is no end that is known. */
const tokens = z.object({
  value: z.string(),
  obtainedAt: z.number(),
  expiresAt: z.number().optional(),
  refreshToken: z.string().optional(),
  scope: z.string().optional(),
});

const document = z.object({
  version: z.literal(1),
  /** Whose, of which authorization server, for which client, scope and resource: with any other, the tokens are none. */
  boundTo: z.string(),
  /** Where they are from, for people. */
  place: z.string(),
  tokens: tokens.optional(),
});

export type HeldTokens = z.infer<typeof tokens>;
export type TokenDocument = z.infer<typeof document>;

/** What tokens are bound to. */
export interface Bond {
  /** Where they are from: the issuer, or the token endpoint. */
  readonly place: string;
  /** Client, scope, resource and audience. */
  readonly words: readonly (string | undefined)[];
  /** A refresh token that an operator wrote down: what came of another one is not touched. */
  readonly root?: string | undefined;
}

/** A document of a vault that holds tokens of such a credential, and whose they are. */
export interface KeptLogin {
  readonly owner: { readonly tenant: string | null; readonly subject: string } | null;
  readonly credential: string;
  readonly place: string;
  readonly tokens: HeldTokens;
}

/** The kinds whose tokens are kept so. */
const KINDS: ReadonlySet<unknown> = new Set(['authorization-code', 'device-code', 'refresh-token', 'service-key']);

/** Undefined for what is no such document. */
export function readKept({ name, document: kept }: { name: string; document: object }): KeptLogin | undefined {
  const { tokens: held, place } = document.safeParse(kept).data ?? {};
  const [tenant = null, subject = null, kind, credential] = JSON.parse(name) as (string | null)[];
  if (!held || place === undefined || !KINDS.has(kind) || !credential) return undefined;
  return { owner: subject === null ? null : { tenant, subject }, credential, place, tokens: held };
}

/** What is kept of one owner's tokens of one credential. */
export class TokenMemory {
  readonly #vault: Vault;
  readonly #name: string;
  readonly #empty: TokenDocument;

  constructor(vault: Vault, owner: Owner | null, kind: string, credential: string, { place, words, root }: Bond) {
    const branch = root === undefined ? [] : [fingerprint(root)];
    this.#vault = vault;
    this.#name = scopeKey(owner, kind, credential, ...branch);
    const boundTo = scopeKey(owner, kind, place, ...words.map((word) => word ?? ''), ...branch);
    this.#empty = { version: 1, boundTo, place };
  }

  /** One process at a time renews: a rotated refresh token is never used twice. */
  alone<Value>(job: () => Promise<Value>): Promise<Value> {
    return this.#vault.alone(this.#name, new AbortController().signal, job);
  }

  async read(): Promise<HeldTokens | undefined> {
    const { data } = document.safeParse(await this.#vault.read(this.#name));
    return data?.boundTo === this.#empty.boundTo ? data.tokens : undefined;
  }

  /** Undefined: nobody is logged in, which is not as if nobody ever was. */
  async write(changed: HeldTokens | undefined): Promise<void> {
    await this.#vault.write(this.#name, { ...this.#empty, ...(changed ? { tokens: changed } : {}) });
  }

  /** True where nothing was ever kept. */
  async isNew(): Promise<boolean> {
    return (await this.#vault.read(this.#name)) === undefined;
  }

  forget(): Promise<void> {
    return this.#vault.remove(this.#name);
  }
}

/** Tells texts apart and says nothing of them. */
function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A server that doesn't rotate says nothing of the old refresh token, which serves on (RFC 6749 section 6). */
export function held({ value, obtainedAt, expiresAt, refreshToken, scope }: Granted, before?: string): HeldTokens {
  const refresh = refreshToken ?? before;
  return {
    value,
    obtainedAt,
    ...(Number.isFinite(expiresAt) ? { expiresAt } : {}),
    ...(refresh === undefined ? {} : { refreshToken: refresh }),
    ...(scope === undefined ? {} : { scope }),
  };
}
