import * as z from 'zod';
import type { HeldSecret, Kind, SecretDeps, SecretManager } from '../contracts.js';
import { httpUrl, secret } from '../core/schema.js';
import { type Answer, asCode, ask, asText } from './ask.js';
import { awsUrl, fetchAwsKeys } from './awsCredentials.js';
import { askProven, HeldProof } from './heldProof.js';
import { refreshMs } from './options.js';
import { SecretError } from './secretError.js';
import { type AwsKeys, signV4 } from './sigV4.js';

const fields = z.strictObject({
  /** `AWS_REGION` or `AWS_DEFAULT_REGION` where absent. */
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'must be a region such as eu-central-1')
    .optional(),
  /** A private endpoint. */
  endpoint: httpUrl().optional(),
  accessKeyId: z.string().min(1).optional(),
  secretAccessKey: secret().optional(),
  sessionToken: secret().optional(),
  refreshMs: refreshMs(),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  const [missing] = (['accessKeyId', 'secretAccessKey'] as const).filter((name) => given[name] === undefined);
  const anyKey = given.accessKeyId ?? given.secretAccessKey ?? given.sessionToken;
  if (anyKey !== undefined && missing)
    context.addIssue({ code: 'custom', path: [missing], message: 'is needed with the other key' });
});

/** AWS Secrets Manager, by its HTTP interface. */
const kind: Kind<SecretManager, Options, SecretDeps> = {
  options,
  create: (given, deps) => new AwsSecretsManager(given, deps),
};

export default kind;

/** Keys that ended, or that belong to nobody: fresh ones may do. */
const STALE = new Set(['ExpiredTokenException', 'ExpiredToken', 'UnrecognizedClientException', 'InvalidClientTokenId']);
/** Refusals that pass. */
const PASSING = new Set(['ThrottlingException', 'InternalServiceError', 'RequestTimeout']);

class AwsSecretsManager implements SecretManager {
  readonly refreshMs: number;
  readonly #region: string | undefined;
  readonly #url: URL | undefined;
  readonly #deps: SecretDeps;
  readonly #keys: HeldProof<AwsKeys>;

  constructor(given: Options, deps: SecretDeps) {
    const { env } = deps;
    this.refreshMs = given.refreshMs;
    this.#deps = deps;
    const region = given.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined;
    this.#region = region;
    const url =
      given.endpoint?.href ?? (env.AWS_ENDPOINT_URL_SECRETS_MANAGER || (region && awsUrl('secretsmanager', region)));
    this.#url = url ? new URL(url) : undefined;
    const source = { keys: keysIn(given), region: region ?? '' };
    this.#keys = new HeldProof(deps.clock, async (signal) => fetchAwsKeys(source, deps, signal));
  }

  async read(path: string, signal: AbortSignal): Promise<HeldSecret> {
    const answer = await askProven(
      this.#keys,
      signal,
      (keys) => this.#ask(path, keys, signal),
      ({ json }) => STALE.has(codeOf(json) ?? ''),
    );
    if (answer.status !== 200) throw refusal(answer, path);
    const text = asText(answer.json.SecretString);
    if (text !== undefined) return { value: text };
    const binary = asText(answer.json.SecretBinary);
    if (binary !== undefined) return { value: Buffer.from(binary, 'base64').toString() };
    throw new SecretError(`AWS Secrets Manager shows nothing of "${path}"`, 'Has it a value yet?');
  }

  #ask(path: string, keys: AwsKeys, signal: AbortSignal): Promise<Answer> {
    if (this.#region === undefined || !this.#url) {
      throw new SecretError('the AWS region is not known', 'Set region, or the variable AWS_REGION.');
    }
    const body = JSON.stringify({ SecretId: path });
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'secretsmanager.GetSecretValue',
    };
    const { host, origin } = this.#url;
    const now = this.#deps.clock.now();
    const scope = { region: this.#region, service: 'secretsmanager', now };
    const signed = signV4({ method: 'POST', host, path: '/', headers, body }, keys, scope);
    return ask({ method: 'POST', url: `${origin}/`, headers: signed, body, signal }, 'AWS Secrets Manager', this.#deps);
  }
}

function keysIn({ accessKeyId, secretAccessKey, sessionToken }: Options): AwsKeys | undefined {
  if (accessKeyId === undefined || !secretAccessKey) return undefined;
  const token = sessionToken ? { sessionToken: sessionToken.reveal() } : {};
  return { accessKeyId, secretAccessKey: secretAccessKey.reveal(), ...token };
}

/** `com.amazonaws…#Code`, or the bare code. */
function codeOf(json: Answer['json']): string | undefined {
  return asCode(json.__type)?.split('#').at(-1);
}

function refusal({ status, json }: Answer, path: string): SecretError {
  const code = codeOf(json) ?? 'no code';
  if (code === 'ResourceNotFoundException') {
    return new SecretError(`AWS Secrets Manager has no secret "${path}"`, 'Is it in that region and account?');
  }
  const mend = 'May these credentials call secretsmanager:GetSecretValue (and kms:Decrypt) for it? Is the clock right?';
  return new SecretError(`AWS Secrets Manager refused to show "${path}" (${status}, ${code})`, mend, PASSING.has(code));
}
