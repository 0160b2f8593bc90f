import { randomUUID } from 'node:crypto';
import type { AuthToken, KindDeps, RestRequest, RestResponse } from '../contracts.js';
import type { Secret } from '../core/secret.js';
import { type Signer, signJwt } from './jwtSigner.js';
import { type Asked, type Granted, noAnswer, readGrantAnswer, readTokenAnswer } from './tokenAnswer.js';

/** Who asks, and how it proves so. */
export type Client =
  | { readonly authentication: 'none'; readonly id: string }
  | { readonly authentication: 'form' | 'basic'; readonly id: string; readonly secret: Secret }
  | {
      readonly authentication: 'private_key_jwt';
      readonly id: string;
      readonly signer: Signer;
      readonly audience: string;
    }
  | { readonly authentication: 'tls'; readonly id: string; readonly certificate: string; readonly key: Secret };

export interface TokenRequest {
  readonly url: URL;
  readonly client: Client;
  readonly format: 'form' | 'json';
  /** The grant and what belongs to it; an absent value isn't sent. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  /** Members that only JSON can write. */
  readonly nested?: Readonly<Record<string, object>>;
  readonly words: Asked['words'];
  readonly mend?: Asked['mend'];
  /** Of the parameters: what no message may repeat. */
  readonly secrets?: readonly string[];
  readonly notAccess?: boolean;
  readonly issues?: string;
}

/** How a client shows itself in a request, and what of it no message may repeat. */
interface Proof {
  readonly parameters: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: NonNullable<RestRequest['tls']>;
  readonly secrets: readonly string[];
}

/**
 * Asks a token endpoint for an access token (RFC 6749 section 3.2).
 * Rejects with a CredentialError that names the endpoint, what it said, and what mends it.
 */
export async function requestToken(request: TokenRequest, deps: EndpointDeps, signal: AbortSignal): Promise<AuthToken> {
  const { answer, asked } = await askEndpoint(request, deps, signal);
  return readTokenAnswer(answer, asked, deps.clock.now());
}

/** The same, for a grant that may come with a refresh token. Rejects with a TokenRefusal where the endpoint said no. */
export async function requestGrant(request: TokenRequest, deps: EndpointDeps, signal: AbortSignal): Promise<Granted> {
  const { answer, asked } = await askEndpoint(request, deps, signal);
  return readGrantAnswer(answer, asked, deps.clock.now());
}

type EndpointDeps = Pick<KindDeps, 'rest' | 'clock'>;

/** One call to an endpoint at which the client proves itself, whatever it answers. */
export async function askEndpoint(
  request: TokenRequest,
  deps: EndpointDeps,
  signal: AbortSignal,
): Promise<{ readonly answer: RestResponse; readonly asked: Asked }> {
  const proof = await prove(request.client, deps.clock.now());
  const { url, words, mend, notAccess, issues } = request;
  const secrets = [...proof.secrets, ...(request.secrets ?? [])];
  const asked: Asked = { endpoint: url.origin + url.pathname, words, secrets, mend, notAccess, issues };
  const parameters = withoutAbsent({ ...request.parameters, ...proof.parameters });
  const call: RestRequest = {
    method: 'POST',
    url: request.url.href,
    headers: { 'content-type': MEDIA_TYPES[request.format], ...proof.headers },
    body: bodyOf(request, parameters),
    signal,
    ...(proof.tls ? { tls: proof.tls } : {}),
  };
  const answer = await deps.rest(call).catch((error: unknown) => {
    throw noAnswer(error, asked);
  });
  return { answer, asked };
}

function bodyOf({ format, nested }: TokenRequest, parameters: Readonly<Record<string, string>>): string {
  return format === 'json' ? JSON.stringify({ ...parameters, ...nested }) : new URLSearchParams(parameters).toString();
}

const MEDIA_TYPES = { form: 'application/x-www-form-urlencoded', json: 'application/json' };

function withoutAbsent(parameters: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function prove(client: Client, now: number): Proof | Promise<Proof> {
  switch (client.authentication) {
    case 'none':
      return { parameters: { client_id: client.id }, secrets: [] };
    case 'form':
      return proveInBody(client.id, client.secret.reveal());
    case 'basic':
      return proveInHeader(client.id, client.secret.reveal());
    case 'private_key_jwt':
      return proveByAssertion(client.id, client.signer, client.audience, now);
    case 'tls':
      return proveByCertificate(client.id, client.certificate, client.key.reveal());
  }
}

function proveInBody(id: string, secret: string): Proof {
  return {
    parameters: { client_id: id, client_secret: secret },
    secrets: [secret, formEncode(secret), encodeURIComponent(secret)],
  };
}

/** RFC 6749 section 2.3.1: both halves are form-encoded before they are joined. */
function proveInHeader(id: string, secret: string): Proof {
  const pair = Buffer.from(`${formEncode(id)}:${formEncode(secret)}`).toString('base64');
  return {
    parameters: {},
    headers: { authorization: `Basic ${pair}` },
    secrets: [secret, formEncode(secret), encodeURIComponent(secret), pair],
  };
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

const ASSERTION_SECONDS = 60;

/** RFC 7523 section 3; a life of a minute is well within the five that Qlik Cloud allows. */
async function proveByAssertion(id: string, signer: Signer, audience: string, now: number): Promise<Proof> {
  const iat = Math.floor(now / 1000);
  const assertion = await signJwt(signer, {
    iss: id,
    sub: id,
    aud: audience,
    iat,
    exp: iat + ASSERTION_SECONDS,
    jti: randomUUID(),
  });
  const parameters = {
    client_id: id,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
  return { parameters, secrets: [assertion] };
}

/** RFC 8705 section 2: the certificate proves, `client_id` says whose it is. */
function proveByCertificate(id: string, certificate: string, key: string): Proof {
  return { parameters: { client_id: id }, tls: { cert: certificate, key }, secrets: [key] };
}
