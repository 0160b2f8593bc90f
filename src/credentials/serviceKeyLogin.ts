import type { CredentialDeps, CredentialSource } from '../contracts.js';
import { readAbapSession } from './abapSession.js';
import { AuthorizationServer } from './authorizationServer.js';
import { logInByCode } from './codeLogin.js';
import { GrantCalls } from './grantCalls.js';
import { type Grants, KeptTokens } from './keptTokens.js';
import type { ServiceKeyFile } from './serviceKeyFile.js';
import type { HeldTokens } from './tokenMemory.js';

/** Where browsers come back to mcp-abap-adt-proxy, so that what an instance's redirect URIs allow for it serves on. */
const PORT = 3333;

interface Options {
  readonly for: CredentialSource['scope'];
  readonly scope?: string | undefined;
  readonly origins: readonly string[];
}

/** The user's own token that an ABAP system asks for: a login at the XSUAA of the key, which is read again whenever it changed. */
export function forPeople(file: ServiceKeyFile, given: Options, deps: CredentialDeps): CredentialSource {
  const { for: whose, origins, scope } = given;
  // What one person has is nobody else's, and what was asked for a scope of its own is another token.
  const inherits = whose === 'gateway' && scope === undefined;
  const grants = async () => {
    const all = await grantsOf(file, scope, deps);
    return inherits ? { ...all, inherit: () => inherit(file, deps) } : all;
  };
  return new KeptTokens({ kind: 'service-key', for: whose, origins, grants }, deps);
}

async function grantsOf(file: ServiceKeyFile, scope: string | undefined, deps: CredentialDeps): Promise<Grants> {
  const { authorizeUrl, tokenUrl, client } = await file.read();
  const server = new AuthorizationServer({ authorizeUrl, tokenUrl }, deps);
  const asker = { server, client: () => client, words: file.words, parameters: {}, resource: undefined };
  const calls = new GrantCalls(asker, { clock: deps.clock });
  const login = { calls, logins: deps.logins, clientId: client.id, scope, parameters: {}, port: PORT };
  return {
    bond: { place: server.place, words: [client.id, scope] },
    refresh: (refreshToken) => calls.refresh(refreshToken),
    begin: (person) => logInByCode(login, person),
    revoke: (tokens) => calls.revoke(tokens),
  };
}

/** A login that mcp-abap-adt-proxy has; its file is only read. A refresh token is shown to the XSUAA of the key, and to no other. */
async function inherit(file: ServiceKeyFile, { clock }: CredentialDeps): Promise<HeldTokens | undefined> {
  const { session: place } = file;
  const session = place && (await readAbapSession(place.folder, place.name, clock.now()));
  if (!session) return undefined;
  const { authorizeUrl, client } = await file.read();
  const { token, refreshToken, uaa } = session;
  if (uaa && (uaa.clientId !== client.id || uaa.url.origin !== authorizeUrl.origin)) return undefined;
  const refresh = refreshToken ? { refreshToken: refreshToken.reveal() } : {};
  // Without an access token that serves, it is one that has ended.
  if (!token) return { value: '', obtainedAt: 0, expiresAt: 0, ...refresh };
  const { value, obtainedAt, expiresAt } = token;
  return { value: value.reveal(), obtainedAt, expiresAt, ...refresh };
}
