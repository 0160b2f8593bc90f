/** Whose something is: the part of a principal that keys are made of. */
export type Owner = { readonly subject: string; readonly tenant?: string };

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
}
