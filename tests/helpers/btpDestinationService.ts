import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type Provider, sendJson } from './tokenServer.js';

/** A destination as the cockpit has it. */
export type DestinationSettings = Readonly<Record<string, string>>;

/** One question, as the service got it. */
export interface Asked {
  readonly url: string;
  readonly userToken: string | undefined;
  readonly status: number;
}

export interface DestinationServiceLike {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** By name, or by `name@level` for v2; v1 looks in the instance, then in the subaccount. May be changed at any time. */
  readonly destinations: Map<string, DestinationSettings>;
  /** Bearer tokens that were issued so far are taken no more. */
  refuseOldTokens(): void;
  close(): Promise<void>;
}

const OF_A_USER = ['OAuth2UserTokenExchange', 'OAuth2JWTBearer', 'OAuth2SAMLBearerAssertion', 'PrincipalPropagation'];
const ROUTE = /^\/destination-configuration\/(v1|v2)\/destinations\/([^/?]+)(?:\?(.*))?$/;
const LEVELS = ['instance', 'subaccount', 'provider_instance', 'provider_subaccount'];

/**
 * A stand-in for SAP BTP's Destination service: it takes tokens of one XSUAA alone, finds by v1 and v2, fetches a
 * destination's token itself, writes `expires_in` as text, and says what went wrong inside a 200.
 */
export async function startDestinationService(xsuaa: Provider): Promise<DestinationServiceLike> {
  const keys = createRemoteJWKSet(new URL(`${xsuaa.url}/token_keys`));
  const destinations = new Map<string, DestinationSettings>();
  const asked: Asked[] = [];
  const taken = new Set<string>();
  const refused = new Set<string>();

  async function isKnown(token: string): Promise<boolean> {
    if (refused.has(token)) return false;
    taken.add(token);
    return jwtVerify(token, keys, { issuer: `${xsuaa.url}/oauth/token` }).then(
      () => true,
      () => false,
    );
  }

  async function answer({ method, url = '', headers }: IncomingMessage): Promise<[number, unknown]> {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    if (!(await isKnown(token))) return refusal(401, 'The token is not valid');
    if (method !== 'GET' || !ROUTE.test(url)) return refusal(404, 'No such resource');
    return describe(url, headers['x-user-token']?.toString());
  }

  async function describe(url: string, userToken: string | undefined): Promise<[number, unknown]> {
    const [, version = '', name = '', query = ''] = ROUTE.exec(url) ?? [];
    const found = find(destinations, version, decodeURIComponent(name));
    if (found === 'bad') return refusal(400, 'The level is missing');
    if (!found) return refusal(404, 'Configuration with the specified name was not found');
    const skips = new URLSearchParams(query).get('$skipTokenRetrieval') === 'true';
    const authTokens = skips ? undefined : await tokensOf(found, userToken);
    const owner = version === 'v1' ? { owner: { SubaccountId: 'sub', InstanceId: null } } : {};
    return [200, { ...owner, destinationConfiguration: found, ...authTokens }];
  }

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const [status, body] = await answer(request);
    const userToken = request.headers['x-user-token']?.toString();
    asked.push({ url: request.url ?? '', userToken, status });
    sendJson(response, status, body);
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    destinations,
    refuseOldTokens: () => {
      for (const token of taken) refused.add(token);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refusal(status: number, ErrorMessage: string): [number, unknown] {
  return [status, { ErrorMessage }];
}

function find(
  destinations: ReadonlyMap<string, DestinationSettings>,
  version: string,
  name: string,
): DestinationSettings | 'bad' | undefined {
  if (version === 'v1')
    return destinations.get(name) ?? destinations.get(`${name}@instance`) ?? destinations.get(`${name}@subaccount`);
  return LEVELS.includes(name.split('@')[1] ?? '') ? destinations.get(name) : 'bad';
}

async function tokensOf(
  destination: DestinationSettings,
  userToken: string | undefined,
): Promise<{ authTokens?: readonly object[] }> {
  const { Authentication: authentication = 'NoAuthentication', User: user, Password: password } = destination;
  if (authentication === 'NoAuthentication') return {};
  if (authentication === 'BasicAuthentication') {
    const value = Buffer.from(`${user}:${password}`).toString('base64');
    return { authTokens: [{ type: 'Basic', value, http_header: { key: 'Authorization', value: `Basic ${value}` } }] };
  }
  if (OF_A_USER.includes(authentication) && userToken === undefined)
    return failed('Retrieval of OAuthToken failed: a user token is needed');
  return authentication === 'OAuth2ClientCredentials' ? fetched(destination) : {};
}

function failed(error: string): { authTokens: readonly object[] } {
  return { authTokens: [{ type: '', value: '', expires_in: '0', error }] };
}

async function fetched({ tokenServiceURL = '', clientId = '', clientSecret = '' }: DestinationSettings) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  });
  const answer = await fetch(tokenServiceURL, { method: 'POST', body });
  if (answer.status !== 200)
    return failed(`Retrieval of OAuthToken failed due to: status ${answer.status}, sent ${body.get('client_secret')}`);
  const { access_token: value, expires_in } = (await answer.json()) as { access_token: string; expires_in: number };
  const http_header = { key: 'Authorization', value: `Bearer ${value}` };
  return { authTokens: [{ type: 'Bearer', value, http_header, expires_in: String(expires_in) }] };
}
