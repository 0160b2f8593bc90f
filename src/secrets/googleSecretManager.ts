import * as z from 'zod';
import type { HeldSecret, Kind, SecretDeps, SecretManager } from '../contracts.js';
import { asObject } from '../core/json.js';
import { httpUrl } from '../core/schema.js';
import { type Answer, asCode, ask, asText } from './ask.js';
import { fetchGoogleToken, serviceAccountKey } from './googleToken.js';
import { askProven, HeldProof } from './heldProof.js';
import { refreshMs } from './options.js';
import { SecretError } from './secretError.js';

const options = z.strictObject({
  /** Of secrets that are named alone. */
  project: z
    .string()
    .regex(/^[a-z0-9.:-]+$/, 'must be the id or number of a project')
    .optional(),
  /** The JSON of a service account's key; the file of `GOOGLE_APPLICATION_CREDENTIALS`, or the metadata server, where absent. */
  key: serviceAccountKey().optional(),
  /** A regional or private endpoint. */
  endpoint: httpUrl().prefault('https://secretmanager.googleapis.com'),
  refreshMs: refreshMs(),
});

type Options = z.infer<typeof options>;

/** Google Secret Manager, by its HTTP interface. */
const kind: Kind<SecretManager, Options, SecretDeps> = {
  options,
  create(given, deps) {
    const tokens = new HeldProof(deps.clock, (signal) => fetchGoogleToken(given.key, deps, signal));
    return {
      refreshMs: given.refreshMs,
      read: async (path, signal) => {
        const url = `${given.endpoint.origin}/v1/${versionOf(path, given.project)}:access`;
        const call = (token: string) => access(url, token, deps, signal);
        return taken(await askProven(tokens, signal, call), path);
      },
    };
  },
};

export default kind;

const NAME = /^(projects\/[\w.:-]+\/(?:locations\/[\w-]+\/)?secrets\/[\w-]+)(\/versions\/[\w-]+)?$/;

/** The resource name of a version; the latest one where none is named. */
function versionOf(path: string, project: string | undefined): string {
  const full = path.startsWith('projects/') || project === undefined ? path : `projects/${project}/secrets/${path}`;
  const [, name, version = '/versions/latest'] = NAME.exec(full) ?? [];
  if (name !== undefined) return name + version;
  const mend =
    'Write projects/<project>/secrets/<name>, with /versions/<version> or without; or the name alone, and set project.';
  throw new SecretError(`"${path}" is no name of a secret at Google`, mend);
}

function access(url: string, token: string, deps: SecretDeps, signal: AbortSignal): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}` };
  return ask({ method: 'GET', url, headers, signal }, 'Google Secret Manager', deps);
}

function taken({ status, json }: Answer, path: string): HeldSecret {
  const data = asText(asObject(json.payload)?.data);
  if (status === 200 && data !== undefined) return { value: Buffer.from(data, 'base64').toString() };
  const code = asCode(asObject(json.error)?.status) ?? 'no code';
  if (status === 404) {
    throw new SecretError(
      `Google Secret Manager has no secret "${path}"`,
      'Is it in that project, with an enabled version?',
    );
  }
  const mend = 'Give the service account the role "Secret Manager Secret Accessor" for it.';
  throw new SecretError(`Google Secret Manager refused to show "${path}" (${status}, ${code})`, mend);
}
