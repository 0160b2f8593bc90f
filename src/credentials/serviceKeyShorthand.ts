import * as z from 'zod';
import type { Expansion, Kind } from '../contracts.js';
import { ConfigError } from '../core/errors.js';
import { flag } from '../core/schema.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { checkGrant, keyFileFields, orConfigError } from './serviceKeyOptions.js';

const url = z
  .string()
  .refine((text) => /^https?:/i.test(text) && URL.canParse(text), 'must be an absolute http or https URL');

const fields = z.strictObject({
  ...keyFileFields,
  /** The MCP endpoint, where the key's own URL isn't it. */
  url: url.optional(),
  /** Where MCP is served, in a URL that has no path. */
  path: z.string().regex(/^\//, 'must start with /').default('/mcp'),
  allowedUrls: z.array(url).optional(),
  // The rest is handed to the http destination as it stands; that kind judges it.
  allowPrivate: flag().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  forward: z.array(z.string()).optional(),
  safeTools: z.array(z.string()).optional(),
  network: z.record(z.string(), z.unknown()).optional(),
  include: z.array(z.string()).optional(),
  exclude: z.array(z.string()).optional(),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine(checkGrant);

/** An http destination and its service-key credential, both from one file. */
const kind: Kind<Expansion, Options> = {
  options,
  async create(given, deps) {
    const key = await new ServiceKeyFile(given.file, deps.baseDir).read().catch(orConfigError(given.file));
    const base = given.url === undefined ? key.serviceUrl : new URL(given.url);
    const { file, grant, for: whose, scope, path, url: _, ...rest } = given;
    const origins = [...(base ? [base] : []), ...(given.allowedUrls ?? []).map((allowed) => new URL(allowed))].map(
      (each) => each.origin,
    );
    if (origins.length === 0) throw noUrl(file);
    return {
      destination: { kind: 'http', ...rest, ...(base ? endpoint(base, path) : {}) },
      credential: {
        kind: 'service-key',
        file,
        grant,
        ...(whose === 'gateway' ? {} : { for: whose }),
        ...(scope === undefined ? {} : { scope }),
        origins: [...new Set(origins)],
      },
    };
  },
};

export default kind;

/** A key names a host: where in it MCP is served is `path`, unless the caller's own path says it (mcp-abap-adt-proxy). */
export function endpoint(base: URL, path: string): { url: string; followAlias?: true } {
  if (base.pathname !== '/') return { url: base.href };
  const url = new URL(base);
  url.pathname = path;
  return { url: url.href, followAlias: true };
}

function noUrl(file: string): ConfigError {
  const message = `the service key ${file} names no service, so there is no address to send requests to`;
  return new ConfigError([
    { file, path: '', message, hint: 'Set url in the destination to the MCP server.', severity: 'fault' },
  ]);
}
