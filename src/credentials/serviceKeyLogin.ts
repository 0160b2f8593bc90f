import type { CredentialDeps, CredentialSource } from '../contracts.js';
import { AuthorizationServer } from './authorizationServer.js';
import { logInByCode } from './codeLogin.js';
import { GrantCalls } from './grantCalls.js';
import { type Grants, KeptTokens } from './keptTokens.js';
import type { ServiceKeyFile } from './serviceKeyFile.js';

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
  const grants = () => grantsOf(file, scope, deps);
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
    begin: (asks) => logInByCode(login, asks),
    revoke: (tokens) => calls.revoke(tokens),
  };
}
