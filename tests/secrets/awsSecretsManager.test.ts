import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import kind from '../../src/secrets/awsSecretsManager.js';
import { type Asked, type FakeManager, isSignedV4, type Said, startManager } from '../helpers/fakeManagers.js';
import { createWorld, failure, SIGNAL, type World } from './world.js';

const REGION = 'eu-central-1';

/** Secrets Manager, STS, a container's endpoint and an instance's metadata in one, each as AWS documents it. */
function aws(state: { secret: string; role: string; ends: () => string }) {
  const keys = (secret: string) => ({
    AccessKeyId: 'ASIA1',
    SecretAccessKey: secret,
    Token: 'session',
    Expiration: state.ends(),
  });
  const manager = (asked: Asked): Said => {
    const error = (__type: string): Said => ({ status: 400, body: { __type, Message: 'no' } });
    if (asked.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') return error('UnknownOperationException');
    if (asked.headers['content-type'] !== 'application/x-amz-json-1.1') return error('SerializationException');
    if (!isSignedV4(asked, state.secret, REGION, 'secretsmanager')) return error('UnrecognizedClientException');
    const { SecretId } = JSON.parse(asked.body) as { SecretId: string };
    if (SecretId === 'jobs') return { status: 200, body: { Name: SecretId, SecretString: '{"key":"one"}' } };
    if (SecretId === 'binary') return { status: 200, body: { SecretBinary: Buffer.from('raw').toString('base64') } };
    if (SecretId === 'theirs') return error('com.amazonaws.secretsmanager#AccessDeniedException');
    return error('ResourceNotFoundException');
  };
  const sts = ({ body }: Asked): Said => {
    const said = new URLSearchParams(body);
    const proves = said.get('Action') === 'AssumeRoleWithWebIdentity' && said.get('WebIdentityToken') === 'pod.jwt';
    if (!proves || said.get('RoleArn') !== 'arn:aws:iam::1:role/r') return { status: 403, body: '<ErrorResponse/>' };
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = keys(state.secret);
    const credentials = `<AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken>${Token}</SessionToken><Expiration>${Expiration}</Expiration>`;
    return {
      status: 200,
      body: `<AssumeRoleWithWebIdentityResponse><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResponse>`,
    };
  };
  const metadata = (asked: Asked): Said => {
    if (asked.path === '/latest/api/token') {
      const wants = asked.method === 'PUT' && asked.headers['x-aws-ec2-metadata-token-ttl-seconds'] !== undefined;
      return wants ? { status: 200, body: 'imds' } : { status: 400 };
    }
    if (asked.headers['x-aws-ec2-metadata-token'] !== 'imds') return { status: 401 };
    const roles = '/latest/meta-data/iam/security-credentials/';
    if (asked.path === roles) return { status: 200, body: state.role };
    return asked.path === roles + state.role
      ? { status: 200, body: { Code: 'Success', ...keys(state.secret) } }
      : { status: 404 };
  };
  return (asked: Asked): Said => {
    if (asked.path.startsWith('/latest/')) return metadata(asked);
    if (asked.path === '/container')
      return asked.headers.authorization === 'container-token'
        ? { status: 200, body: keys(state.secret) }
        : { status: 401 };
    return asked.headers['x-amz-target'] === undefined ? sts(asked) : manager(asked);
  };
}

describe('AWS Secrets Manager', () => {
  let world: World;
  let fake: FakeManager;
  let folder: string;
  const state = { secret: 'shh', role: 'my-role', ends: () => new Date(world.clock.now() + 3_600_000).toISOString() };

  beforeEach(async () => {
    world = createWorld();
    fake = await startManager(aws(state));
    folder = await mkdtemp(path.join(tmpdir(), 'aws-'));
    await writeFile(path.join(folder, 'token'), 'pod.jwt');
    state.secret = 'shh';
  });
  afterEach(async () => {
    await fake.close();
    await rm(folder, { recursive: true });
  });

  const create = (env: Record<string, string>, options: object = {}) =>
    world.create(kind, { region: REGION, endpoint: fake.url, ...options }, env);

  const WAYS: [string, () => Record<string, string>, object][] = [
    ['the configuration', () => ({}), { accessKeyId: 'AKIA1', secretAccessKey: 'shh' }],
    [
      'the environment',
      () => ({ AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'shh', AWS_SESSION_TOKEN: 'session' }),
      {},
    ],
    [
      'web identity',
      () => ({
        AWS_WEB_IDENTITY_TOKEN_FILE: path.join(folder, 'token'),
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/r',
        AWS_ENDPOINT_URL_STS: fake.url,
      }),
      {},
    ],
    [
      "a container's endpoint",
      () => ({
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${fake.url}/container`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: 'container-token',
      }),
      {},
    ],
    ["an instance's metadata", () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.url }), {}],
  ];

  it.each(WAYS)('shows a secret to keys from %s', async (_, env, options) => {
    const manager = await create(env(), options);
    expect(await manager.read('jobs', SIGNAL)).toEqual({ value: '{"key":"one"}' });
    expect(await manager.read('binary', SIGNAL)).toEqual({ value: 'raw' });
  });

  it('is asked with keys that are fetched once, and anew before they end', async () => {
    const manager = await create({ AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.url });
    const sessions = () => fake.asked.filter(({ path: at }) => at === '/latest/api/token').length;
    await Promise.all([manager.read('jobs', SIGNAL), manager.read('jobs', SIGNAL)]);
    expect(sessions()).toBe(1);
    await world.clock.advance(3_300_000);
    await manager.read('jobs', SIGNAL);
    expect(sessions()).toBe(2);
  });

  it('is asked once more with fresh keys where the first ones are no longer known', async () => {
    const manager = await create({ AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.url });
    await manager.read('jobs', SIGNAL);
    state.secret = 'rotated';
    expect((await manager.read('jobs', SIGNAL)).value).toBe('{"key":"one"}');
  });

  it('says what mends it', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'shh' };
    const manager = await create(env);
    expect((await failure(manager.read('nope', SIGNAL)))[0]).toBe('AWS Secrets Manager has no secret "nope"');
    expect((await failure(manager.read('theirs', SIGNAL)))[0]).toBe(
      'AWS Secrets Manager refused to show "theirs" (400, AccessDeniedException)',
    );
    const nowhere = await world.create(kind, {}, env);
    expect(await failure(nowhere.read('jobs', SIGNAL))).toEqual([
      'the AWS region is not known',
      'Set region, or the variable AWS_REGION.',
      false,
    ]);
    const nobody = await create({ AWS_EC2_METADATA_DISABLED: 'true' });
    expect((await failure(nobody.read('jobs', SIGNAL)))[0]).toBe('there are no AWS credentials');
    const astray = await create({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/' });
    expect((await failure(astray.read('jobs', SIGNAL)))[0]).toMatch(/no address of this machine$/);
  });

  it('needs both keys or none', () => {
    expect(kind.options.safeParse({ accessKeyId: 'x' }).error?.issues[0]?.path).toEqual(['secretAccessKey']);
    expect(kind.options.safeParse({ sessionToken: 'x' }).error?.issues[0]?.path).toEqual(['accessKeyId']);
  });
});
