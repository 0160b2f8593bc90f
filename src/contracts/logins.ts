/** What a browser brought back to the redirect URI (RFC 6749 section 4.1.2, RFC 9207). */
export interface Callback {
  readonly code: string;
  readonly iss?: string;
}

/** Somebody is asked to log in, in a browser. */
export interface Login {
  /** Resolves with what the browser brought; rejects with a CredentialError where the person, or the server, said no. */
  readonly done: Promise<Callback>;
}

/** How people log in: a browser, and a place on this machine that it comes back to. */
export interface Logins {
  /** How long a call waits for a person before it is answered with the address; milliseconds. */
  readonly waitMs: number;
  /** Where a browser comes back to; `wanted` is a port that a registration already names. */
  redirectUri(seed: string, wanted?: string): URL;
  /**
   * Opens the address in a browser, once, and waits for it to come back. Undefined where nobody could come back to the
   * redirect URI: the next one that `redirectUri` gives is another.
   */
  begin(authorization: URL, redirectUri: URL, state: string): Promise<Login | undefined>;
}

/** What became of a login. */
export interface Logout {
  /** False: nobody was logged in. */
  readonly held: boolean;
  /** The authorization server took the tokens back (RFC 7009). */
  readonly revoked: boolean;
  /** Why it didn't, where it should have. */
  readonly fault?: string;
}
