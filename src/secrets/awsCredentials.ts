import type { SecretDeps } from '../contracts.js';
import { asObject, parsedObject } from '../core/json.js';
import { ask, askPlain, asText } from './ask.js';
import type { Proof } from './heldProof.js';
import { readPlatformFile } from './options.js';
import { SecretError } from './secretError.js';
import type { AwsKeys } from './sigV4.js';

/** Where the keys come from, in the order of AWS' own SDKs. */
export interface AwsSource {
  /** As the configuration has them. */
  readonly keys: AwsKeys | undefined;
  readonly region: string;
}

type Got = Promise<Proof<AwsKeys>>;

/**
 * Keys by the configuration, the environment, web identity (IRSA), the container's endpoint (ECS, EKS Pod Identity) or the
 * instance's metadata (IMDSv2). Rejects with a SecretError.
 */
export function fetchAwsKeys(source: AwsSource, deps: SecretDeps, signal: AbortSignal): Got {
  const { env } = deps;
  const written = source.keys ?? keysOf(env);
  if (written) return Promise.resolve({ value: written, lifeMs: Number.POSITIVE_INFINITY });
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN) return byWebIdentity(source.region, deps, signal);
  const container = containerUrl(env);
  if (container) return byContainer(container, deps, signal);
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') {
    throw new SecretError(
      'there are no AWS credentials',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role.',
    );
  }
  return byInstance(deps, signal);
}

function keysOf(env: SecretDeps['env']): AwsKeys | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(token ? { sessionToken: token } : {}) };
}

/** The address of an AWS service in a region. */
export function awsUrl(service: string, region: string): string {
  return `https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** STS AssumeRoleWithWebIdentity, which is not signed. Its answer is XML, of which three values are wanted. */
async function byWebIdentity(region: string, deps: SecretDeps, signal: AbortSignal): Got {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file = '', AWS_ROLE_ARN: role = '', AWS_ROLE_SESSION_NAME: session } = deps.env;
  const url = deps.env.AWS_ENDPOINT_URL_STS || awsUrl('sts', region);
  const token = await readPlatformFile(file, 'AWS_WEB_IDENTITY_TOKEN_FILE names it: is the service account annotated?');
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: session || 'mcp-drawbridge',
    WebIdentityToken: token,
  }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/xml' };
  const answer = await askPlain({ method: 'POST', url: `${url}/`, headers, body, signal }, 'AWS STS', deps);
  const value = (name: string) => new RegExp(`<${name}>([^<]{1,8192})</${name}>`).exec(answer.body)?.[1];
  const keys = {
    AccessKeyId: value('AccessKeyId'),
    SecretAccessKey: value('SecretAccessKey'),
    Token: value('SessionToken'),
  };
  const mend = `Does ${role} trust this service account's issuer, and its subject?`;
  return taken({ ...keys, Expiration: value('Expiration') }, deps, `AWS STS (${answer.status})`, mend);
}

/** Of the environment; where it is relative, the agent of ECS answers. */
function containerUrl(env: SecretDeps['env']): string | undefined {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env;
  return relative ? `http://169.254.170.2${relative}` : full || undefined;
}

/** Hosts that AWS' own SDKs take without TLS: this machine, ECS, EKS Pod Identity. */
const PLAIN_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']);

async function byContainer(address: string, deps: SecretDeps, signal: AbortSignal): Got {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || (url.protocol !== 'https:' && !PLAIN_HOSTS.has(url.hostname))) {
    throw new SecretError(
      'AWS_CONTAINER_CREDENTIALS_FULL_URI is no address of this machine',
      'Use https, or unset it.',
    );
  }
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file, AWS_CONTAINER_AUTHORIZATION_TOKEN: text } = deps.env;
  const token = file ? await readPlatformFile(file, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names it.') : text;
  const headers = token ? { authorization: token } : {};
  const who = 'the AWS container endpoint';
  const { json, status } = await ask({ method: 'GET', url: url.href, headers, signal }, who, deps);
  return taken(json, deps, `${who} (${status})`, 'Has the task or pod a role?');
}

/** IMDSv2: a session first, then the role's name, then its keys. */
async function byInstance(deps: SecretDeps, signal: AbortSignal): Got {
  const base = (deps.env.AWS_EC2_METADATA_SERVICE_ENDPOINT || 'http://169.254.169.254').replace(/\/$/, '');
  const who = 'the EC2 instance metadata';
  const mend =
    'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the instance a role (and metadata a hop limit of 2 for containers).';
  const session = await askPlain(
    {
      method: 'PUT',
      url: `${base}/latest/api/token`,
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
      signal,
    },
    who,
    deps,
  ).catch((error: unknown) => {
    throw error instanceof SecretError
      ? new SecretError(`there are no AWS credentials: ${error.message}`, mend)
      : error;
  });
  const get = (path: string) =>
    askPlain(
      { method: 'GET', url: base + path, headers: { 'x-aws-ec2-metadata-token': session.body.trim() }, signal },
      who,
      deps,
    );
  const roles = '/latest/meta-data/iam/security-credentials/';
  const named = await get(roles);
  const role = named.status === 200 ? named.body.trim().split('\n')[0] : undefined;
  if (!role || !/^[\w+=,.@-]{1,64}$/.test(role)) throw new SecretError(`${who} names no role`, mend);
  const { body, status } = await get(roles + role);
  return taken(parsedObject(body), deps, `${who} (${status})`, mend);
}

/** What every endpoint calls its values. */
async function taken(json: object | undefined, { clock }: SecretDeps, who: string, mend: string): Got {
  const given = asObject(json) ?? {};
  const accessKeyId = asText(given.AccessKeyId);
  const secretAccessKey = asText(given.SecretAccessKey);
  if (!accessKeyId || !secretAccessKey) throw new SecretError(`${who} gave no credentials`, mend);
  const sessionToken = asText(given.Token);
  const ends = Date.parse(asText(given.Expiration) ?? '');
  const lifeMs = Number.isNaN(ends) ? Number.POSITIVE_INFINITY : Math.max(0, ends - clock.now());
  return { value: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }, lifeMs };
}
