import { createHash, randomBytes } from 'node:crypto';
import type { Callback, Login, Logins } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import type { Endpoints } from './authorizationServer.js';
import type { GrantCalls } from './grantCalls.js';
import type { Person } from './keptTokens.js';
import type { Granted } from './tokenAnswer.js';

/** A login by authorization code. */
export interface CodeLogin {
  readonly calls: GrantCalls;
  readonly logins: Logins;
  readonly clientId: string;
  readonly scope: string | undefined;
  /** Further parameters of the authorization request; an absent value isn't sent. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  /** A port that the client may be registered with; any other will do where it is taken. */
  readonly port?: number;
}

/** Ports that others may listen on already. */
const MOST_PORTS = 8;

/**
 * A person logs in, in a browser (RFC 6749 section 4.1, RFC 8252), with PKCE (RFC 7636, S256), `state`, and the issuer
 * that the browser names compared (RFC 9207). Rejects with a CredentialError.
 */
export async function logInByCode(login: CodeLogin, person: Person): Promise<Granted> {
  const endpoints = await login.calls.endpoints();
  const verifier = randomBytes(32).toString('base64url');
  const { redirectUri, callback } = await sendToBrowser(login, endpoints, verifier, person);
  const brought = await callback.done;
  assertIssuer(brought, endpoints);
  const { code } = brought;
  const parameters = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri.href,
    code_verifier: verifier,
  };
  const granted = await login.calls.token(parameters, [code, verifier]);
  // RFC 6749 section 5.1: nothing said is what was asked for.
  return granted.scope === undefined && login.scope !== undefined ? { ...granted, scope: login.scope } : granted;
}

interface Sent {
  readonly redirectUri: URL;
  readonly callback: Login;
}

async function sendToBrowser(
  login: CodeLogin,
  endpoints: Endpoints,
  verifier: string,
  { asks, purpose }: Person,
): Promise<Sent> {
  const authorizeUrl = authorizationEndpoint(endpoints);
  for (let ports = 0; ports < MOST_PORTS; ports++) {
    const redirectUri = redirectOf(login, authorizeUrl, ports === 0);
    const state = randomBytes(32).toString('base64url');
    const address = addressOf(login, authorizeUrl, { redirectUri, state, verifier });
    const callback = await login.logins.begin(address, redirectUri, state, purpose);
    if (!callback) continue;
    asks(callback);
    return { redirectUri, callback };
  }
  throw new CredentialError(
    'no port is free that a browser could come back to',
    'Name a free one: --browser-auth-port.',
  );
}

function authorizationEndpoint({ authorizeUrl, takesS256, issuer = 'the provider' }: Endpoints): URL {
  if (!authorizeUrl) {
    const mend = 'Write authorizeUrl and tokenUrl down, or choose another grant.';
    throw new CredentialError(`the metadata of ${issuer} names no authorization endpoint`, mend);
  }
  if (takesS256) return authorizeUrl;
  const mend = 'Have the provider allow PKCE with S256 (RFC 7636).';
  throw new CredentialError(`${issuer} takes no code challenge of the method S256`, mend);
}

function redirectOf({ logins, port, clientId }: CodeLogin, authorizeUrl: URL, first: boolean): URL {
  const seed = `${authorizeUrl.origin}${authorizeUrl.pathname} ${clientId}`;
  const any = logins.redirectUri(seed);
  if (port === undefined || !first) return any;
  const wanted = new URL(any);
  wanted.port = String(port);
  return logins.redirectUri(seed, wanted.href);
}

function addressOf(
  { clientId, scope, parameters }: CodeLogin,
  authorizeUrl: URL,
  { redirectUri, state, verifier }: { redirectUri: URL; state: string; verifier: string },
): URL {
  const address = new URL(authorizeUrl);
  const all = {
    ...parameters,
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri.href,
    scope,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) address.searchParams.set(name, value);
  return address;
}

/** RFC 9207 section 2.4: another server's code must not be shown to this one. */
function assertIssuer({ iss }: Callback, { issuer, namesItself }: Endpoints): void {
  const wrong = iss === undefined ? namesItself : issuer !== undefined && iss !== issuer;
  if (!wrong) return;
  const who = iss === undefined ? 'without saying whose it is, though that was promised' : 'of another issuer';
  throw new CredentialError(
    `the browser brought a code ${who}: it is not used`,
    'Log in again, starting from the address in the answer to the call; if it happens again, somebody meddles with it.',
  );
}
