import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createTestTls } from '../helpers/certificates.js';
import { type Provider, sendJson, startTokenServer, type TokenServerSettings } from '../helpers/tokenServer.js';

/** Stands in every secret there is. It has characters that a form, a URL and a header each write differently. */
export const CANARY = 'canary:s3cr3t/+%&=';

/** A credential all of whose secrets are canaries. */
export interface CanaryCredential {
  readonly credential: object;
  /** What the destination that shows it has to say besides. */
  readonly destination?: object;
  /** Where its tokens come from; absent where nobody is asked. */
  readonly provider?: Provider;
  /** Texts without the word that must not show either. */
  readonly secrets?: readonly string[];
}

export interface CanaryPlace {
  readonly origins: readonly string[];
  /** For files that the configuration names. */
  readonly folder: string;
  /** How the provider answers token requests; absent: with a token. */
  readonly echo?: boolean;
}

/** One kind of credential in one of its ways. To add one is to add an entry. */
export const CANARY_KINDS: Readonly<Record<string, (place: CanaryPlace) => Promise<CanaryCredential>>> = {
  token: async ({ origins }) => ({ credential: { kind: 'static', token: CANARY, origins } }),
  header: async ({ origins }) => ({ credential: { kind: 'static', header: 'x-api-key', value: CANARY, origins } }),
  basic: async ({ origins }) => ({
    credential: { kind: 'static', username: 'canary-user', password: CANARY, origins },
    secrets: [base64(`canary-user:${CANARY}`)],
  }),
  'secret-in-form': (place) => clientCredentials(place, { clientSecret: CANARY }),
  'secret-in-json': (place) => clientCredentials(place, { clientSecret: CANARY, format: 'json' }),
  'secret-in-header': async (place) => ({
    ...(await clientCredentials(place, { clientSecret: CANARY, authentication: 'basic' })),
    secrets: [base64(`jobs:${new URLSearchParams([['', CANARY]]).toString().slice(1)}`)],
  }),
  assertion: async (place) => {
    const { pem, secrets } = privateKey();
    const given = await clientCredentials(place, { authentication: 'private_key_jwt', privateKey: pem });
    return { ...given, secrets };
  },
  certificate: async (place) => {
    const { authority, server, client } = createTestTls('jobs');
    const shown = { authentication: 'tls', certificate: client.cert, certificateKey: client.key };
    const given = await clientCredentials(place, shown, { tls: server });
    return { ...given, destination: { network: { ca: authority.cert } }, secrets: bodyOf(client.key) };
  },
  'service-key': async (place) => {
    const provider = await startPermissive(place, { tokenPath: '/oauth/token' });
    const file = path.join(place.folder, `${randomUUID()}.json`);
    const uaa = { url: provider.url, clientid: 'canary-client', clientsecret: CANARY };
    await writeFile(file, JSON.stringify({ uaa, url: place.origins[0] }));
    return { credential: { kind: 'service-key', file, origins: place.origins }, provider };
  },
  'signed-jwt': async ({ origins }) => {
    const { pem, secrets } = privateKey();
    const claims = { issuer: 'drawbridge', subject: 'canary-subject', audience: 'tools' };
    return { credential: { kind: 'signed-jwt', privateKey: pem, ...claims, origins }, secrets };
  },
};

async function clientCredentials(
  place: CanaryPlace,
  options: object,
  settings: Partial<TokenServerSettings> = {},
): Promise<CanaryCredential> {
  const provider = await startPermissive(place, settings);
  const { origins } = place;
  const credential = { kind: 'client-credentials', tokenUrl: provider.tokenUrl, clientId: 'jobs', ...options, origins };
  return { credential, provider };
}

/** Gives everybody a token, or repeats what it was shown as some providers do: what is asked here isn't who may have one. */
function startPermissive({ echo }: CanaryPlace, settings: Partial<TokenServerSettings>): Promise<Provider> {
  return startTokenServer({
    tokenPath: '/token',
    ...settings,
    handler:
      () =>
      (_request, response, { headers, body }) => {
        const description = `${body} ${headers.authorization ?? ''}`;
        if (echo) return sendJson(response, 400, { error: 'invalid_request', error_description: description });
        sendJson(response, 200, { access_token: `canary.${randomUUID()}`, token_type: 'Bearer', expires_in: 3600 });
      },
  });
}

function privateKey(): { pem: string; secrets: string[] } {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { pem, secrets: bodyOf(pem) };
}

/** The lines of a key; the first one of each kind of key is the same for all. */
function bodyOf(pem: string): string[] {
  return pem
    .split('\n')
    .filter((line) => line.length > 20 && !line.startsWith('-----'))
    .slice(1);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
