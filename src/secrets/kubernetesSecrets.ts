import * as z from 'zod';
import type { HeldSecret, Kind, SecretDeps, SecretManager } from '../contracts.js';
import { asObject } from '../core/json.js';
import { httpUrl } from '../core/schema.js';
import { type Answer, ask } from './ask.js';
import { readPlatformFile, refreshMs } from './options.js';
import { SecretError } from './secretError.js';

const MOUNTED = '/var/run/secrets/kubernetes.io/serviceaccount';

const options = z.strictObject({
  /** Of the API server; that of the pod's own cluster where absent. */
  url: httpUrl().optional(),
  /** The pod's own where absent. */
  namespace: z.string().min(1).optional(),
  /** The three files of a service account: `token`, `ca.crt` and `namespace`. */
  folder: z.string().min(1).default(MOUNTED),
  refreshMs: refreshMs(),
});

type Options = z.infer<typeof options>;

/** Kubernetes' own Secrets, by the API server. */
const kind: Kind<SecretManager, Options, SecretDeps> = {
  options,
  create: (given, deps) => ({
    refreshMs: given.refreshMs,
    read: (path, signal) => read(given, path, deps, signal),
  }),
};

export default kind;

const OF_A_POD = 'It is there in a pod with a service account (automountServiceAccountToken).';

/** Token and authorities are read each time, since the platform renews them. */
async function read(given: Options, path: string, deps: SecretDeps, signal: AbortSignal): Promise<HeldSecret> {
  const file = (name: string) => readPlatformFile(`${given.folder}/${name}`, OF_A_POD);
  const { namespace, name } = named(path, given.namespace ?? (await file('namespace')));
  const [token, ca] = await Promise.all([file('token'), file('ca.crt')]);
  const url = `${serverUrl(given, deps)}/api/v1/namespaces/${namespace}/secrets/${name}`;
  const headers = { authorization: `Bearer ${token}` };
  const answer = await ask({ method: 'GET', url, headers, tls: { ca }, signal }, 'the Kubernetes API', deps);
  const data = answer.status === 200 ? asObject(answer.json.data ?? {}) : undefined;
  if (!data) throw refusal(answer, namespace, name);
  const texts = Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]);
  return { value: Object.fromEntries(texts) };
}

function serverUrl({ url }: Options, { env }: SecretDeps): string {
  if (url) return url.origin;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (!host) return 'https://kubernetes.default.svc';
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** RFC 1123's names, as Kubernetes has them. */
const NAME = /^[a-z0-9][a-z0-9.-]{0,252}$/;

function named(path: string, own: string): { readonly namespace: string; readonly name: string } {
  const [first = '', second, ...rest] = path.split('/');
  const names = second === undefined ? { namespace: own, name: first } : { namespace: first, name: second };
  if (rest.length === 0 && NAME.test(names.namespace) && NAME.test(names.name)) return names;
  throw new SecretError(`"${path}" is no name of a Secret`, 'Write name#key, or namespace/name#key.');
}

function refusal({ status }: Answer, namespace: string, name: string): SecretError {
  const what = `the Secret "${name}" in the namespace "${namespace}"`;
  if (status === 404)
    return new SecretError(`Kubernetes has no ${what.slice(4)}`, 'Names and namespaces are all lower case.');
  const mend = 'Give the service account a Role with the verb "get" on that Secret, and bind it.';
  return new SecretError(`the Kubernetes API refused to show ${what} (${status})`, mend);
}
