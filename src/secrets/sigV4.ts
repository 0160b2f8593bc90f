import { createHash, createHmac } from 'node:crypto';

/** Who signs. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of keys that end. */
  readonly sessionToken?: string;
}

/** What is signed: the path as it is sent, the query's parameters not yet encoded. */
export interface ToSign {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query?: ReadonlyArray<readonly [string, string]>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Scope {
  readonly region: string;
  readonly service: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * The headers that sign a request, those that were given among them: Signature Version 4 (AWS, "Create a signed AWS API
 * request"). Paths are taken as they stand, so they must be normalised, and encoded once.
 */
export function signV4(request: ToSign, keys: AwsKeys, scope: Scope): Record<string, string> {
  const time = new Date(scope.now).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const token = keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken };
  const headers = { ...request.headers, 'x-amz-date': time, ...token };
  const { canonical, signed } = canonicalRequest(request, headers);
  const credential = `${time.slice(0, 8)}/${scope.region}/${scope.service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, credential, sha256(canonical)].join('\n');
  const signature = hmac(signingKey(keys.secretAccessKey, credential), text).toString('hex');
  const parts = `Credential=${keys.accessKeyId}/${credential}, SignedHeaders=${signed}, Signature=${signature}`;
  return { ...headers, authorization: `AWS4-HMAC-SHA256 ${parts}` };
}

/** The key of one day, region and service. */
export function signingKey(secretAccessKey: string, credential: string): Buffer {
  return credential.split('/').reduce<Buffer>(hmac, Buffer.from(`AWS4${secretAccessKey}`));
}

function canonicalRequest(request: ToSign, headers: Readonly<Record<string, string>>) {
  const lines = Object.entries({ ...headers, host: request.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ {2,}/g, ' ')] as const)
    .sort(byName);
  const signed = lines.map(([name]) => name).join(';');
  const query = (request.query ?? []).map(([name, value]) => [encode(name), encode(value)] as const).sort(byName);
  const canonical = [
    request.method,
    request.path,
    query.map((pair) => pair.join('=')).join('&'),
    ...lines.map((line) => line.join(':')),
    '',
    signed,
    sha256(request.body),
  ].join('\n');
  return { canonical, signed };
}

/** By code units, and by value where names are the same. */
function byName(one: readonly [string, string], other: readonly [string, string]): number {
  const [a, b] = one[0] === other[0] ? [one[1], other[1]] : [one[0], other[0]];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** All but the unreserved characters of RFC 3986. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
