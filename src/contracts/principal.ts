/** Whose something is: the part of a principal that keys are made of. */
export type Owner = { readonly subject: string; readonly tenant?: string };

/** The token that a caller proved itself with. It prints as nothing: whoever needs it asks for it. */
export interface Proof {
  /** What tells it from every other one; nobody gets the token back from it. */
  readonly id: string;
  /** Epoch milliseconds; absent where nobody said. */
  readonly expiresAt?: number;
  /** The token itself: to be called where it is sent to whoever exchanges it, nowhere else. */
  reveal(): string;
}

/** Who calls. `subject` begins with the name of the identity entry that vouches for it, so that two providers' subjects never meet. */
export interface Principal extends Owner {
  readonly roles: readonly string[];
  /** Scopes of an OAuth token; absent where the proof has none. */
  readonly scopes?: readonly string[];
  /** Globs of destinations that the proof itself is confined to; absent: no such limit. */
  readonly destinations?: readonly string[];
  /** True where it is a token's audience that confines it: at another route it proves nothing. */
  readonly byAudience?: true;
  /** What conditions may ask about: a token's claims, a key's labels. Nothing secret. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Present where it was a token of an issuer's; for credentials that are made from it, and nothing else. */
  readonly proof?: Proof;
}
