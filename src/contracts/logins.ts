import type { Owner } from './principal.js';

/** What a browser brought back to the redirect URI (RFC 6749 section 4.1.2, RFC 9207). */
export interface Callback {
  readonly code: string;
  readonly iss?: string;
}

/** Who will use what a person logs in for, and where. */
export interface LoginPurpose {
  /** Null: whoever may use the gateway. */
  readonly owner: Owner | null;
  /** The server that the token is for. */
  readonly server: URL;
  /** The credential's name. */
  readonly credential: string;
  /** A browser was opened for this lately, in vain: the address is only told. */
  readonly quiet?: boolean;
}

/** Somebody is asked to log in, in a browser. */
export interface Login {
  /** Resolves with what the browser brought; rejects with a CredentialError where the person, or the server, said no. */
  readonly done: Promise<Callback>;
  /** Where the person goes: a page of our own, or the authorization server's. */
  readonly address: URL;
  /** A page that takes the address at which a browser ended that can't come back by itself. */
  readonly paste?: URL;
}

/** How people log in: a browser, and a place that it comes back to. */
export interface Logins {
  /** How long a call waits for a person before it is answered with the address; milliseconds. */
  readonly waitMs: number;
  /** Somebody is there and means to log in: they queue behind nobody, and a browser is opened however the last login ended. */
  readonly present: boolean;
  /** Where a browser comes back to; `wanted` is one that a registration already names. */
  redirectUri(seed: string, wanted?: string): URL;
  /**
   * Opens the address in a browser, once, and waits for it to come back. Undefined where nobody could come back to the
   * redirect URI: the next one that `redirectUri` gives is another.
   */
  begin(authorization: URL, redirectUri: URL, state: string, purpose: LoginPurpose): Promise<Login | undefined>;
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
