import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import * as z from 'zod';
import type { RestRequest, SecretDeps } from '../contracts.js';
import { asObject, parsedObject } from '../core/json.js';
import { asCode, ask, asSeconds, asText } from './ask.js';
import type { Proof } from './heldProof.js';
import { readPlatformFile } from './options.js';
import { SecretError } from './secretError.js';

/** What of a service account's key is needed. The key prints nothing of itself. */
export interface ServiceAccountKey {
  readonly email: string;
  readonly keyId: string | undefined;
  readonly key: KeyObject;
  readonly tokenUrl: string;
}

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** The most that Google lets an assertion live. */
const ASSERTION_SECONDS = 3600;

/** The JSON of a key, as text: by reference, since it is a secret. */
export function serviceAccountKey() {
  return z.string().transform((text, context) => {
    const key = parseKey(text);
    if (key) return key;
    context.addIssue({ code: 'custom', message: 'must be the JSON of a service account key, by reference' });
    return z.NEVER;
  });
}

/** Undefined for what is none. */
export function parseKey(text: string): ServiceAccountKey | undefined {
  const json = parsedObject(text);
  const email = asText(json?.client_email);
  const pem = asText(json?.private_key);
  const tokenUrl = asText(json?.token_uri) ?? 'https://oauth2.googleapis.com/token';
  const key = pem === undefined ? undefined : rsaKey(pem);
  if (json?.type !== 'service_account' || !email || !key || !isSafe(tokenUrl)) return undefined;
  return { email, keyId: asText(json.private_key_id), key, tokenUrl };
}

function rsaKey(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'rsa' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Encrypted, or this machine's own. */
function isSafe(url: string): boolean {
  return URL.canParse(url) && (new URL(url).protocol === 'https:' || new URL(url).hostname === '127.0.0.1');
}

/** By a key where there is one, else by the metadata server (workload identity included). Rejects with a SecretError. */
export async function fetchGoogleToken(
  given: ServiceAccountKey | undefined,
  deps: SecretDeps,
  signal: AbortSignal,
): Promise<Proof<string>> {
  const file = deps.env.GOOGLE_APPLICATION_CREDENTIALS;
  const key = given ?? (file ? await readKeyFile(file) : undefined);
  if (key) return byKey(key, deps, signal);
  const host = deps.env.GCE_METADATA_HOST || 'metadata.google.internal';
  const url = `http://${host}/computeMetadata/v1/instance/service-accounts/default/token`;
  const mend = 'Set key, or GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached.';
  return tokenOf(
    { method: 'GET', url, headers: { 'metadata-flavor': 'Google' }, signal },
    'the metadata server',
    mend,
    deps,
  );
}

async function readKeyFile(file: string): Promise<ServiceAccountKey> {
  const key = parseKey(await readPlatformFile(file, 'GOOGLE_APPLICATION_CREDENTIALS names it.'));
  if (key) return key;
  const mend = 'Other forms of GOOGLE_APPLICATION_CREDENTIALS are not taken: unset it for the metadata server.';
  throw new SecretError(`${file} is no service account key`, mend);
}

/** RFC 7523 section 2.1, as Google has it. */
function byKey(key: ServiceAccountKey, deps: SecretDeps, signal: AbortSignal): Promise<Proof<string>> {
  const iat = Math.floor(deps.clock.now() / 1000);
  const claims = { iss: key.email, scope: SCOPE, aud: key.tokenUrl, iat, exp: iat + ASSERTION_SECONDS };
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: signed(key, claims),
  }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const mend = 'Was the key deleted or disabled, or is the clock wrong?';
  return tokenOf(
    { method: 'POST', url: key.tokenUrl, headers, body, signal },
    'the token endpoint of Google',
    mend,
    deps,
  );
}

/** A JWT by RS256 (RFC 7515 section 3.1). */
function signed({ key, keyId }: ServiceAccountKey, claims: object): string {
  const header = { alg: 'RS256', typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) };
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

async function tokenOf(request: RestRequest, who: string, mend: string, deps: SecretDeps): Promise<Proof<string>> {
  const { status, json } = await ask(request, who, deps);
  const value = asText(json.access_token);
  if (status === 200 && value !== undefined) return { value, lifeMs: (asSeconds(json.expires_in) ?? 300) * 1000 };
  const code = asCode(json.error) ?? asCode(asObject(json.error)?.status) ?? 'no code';
  throw new SecretError(`${who} gave no token (${status}, ${code})`, mend);
}
