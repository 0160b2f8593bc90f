import * as z from 'zod';
import type { Expansion, Kind, KindDeps } from '../contracts.js';
import { ConfigError } from '../core/errors.js';
import { flag, httpUrl } from '../core/schema.js';
import { isLoopbackHost } from '../wire/loopback.js';
import { btpDestinationFields } from './btpDestinationOptions.js';
import { DestinationService } from './btpDestinationService.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { orConfigError } from './serviceKeyOptions.js';
import { endpoint } from './serviceKeyShorthand.js';
import { whose } from './whose.js';

const options = z.strictObject({
  ...btpDestinationFields,
  for: whose,
  /** The MCP endpoint, at the destination's own origin; what the Destination service says where absent. */
  url: httpUrl().optional(),
  /** Where MCP is served, in a URL that has no path. */
  path: z.string().regex(/^\//, 'must start with /').default('/mcp'),
  // The rest is handed to the http destination as it stands; that kind judges it.
  allowPrivate: flag().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  forward: z.array(z.string()).optional(),
  safeTools: z.array(z.string()).optional(),
  include: z.array(z.string()).optional(),
  exclude: z.array(z.string()).optional(),
});

type Options = z.infer<typeof options>;

/** An http destination and its credential, both from SAP BTP's Destination service. */
const kind: Kind<Expansion, Options> = {
  options,
  async create(given, deps) {
    const { file, destination, level, subdomain, for: who, url, path, ...rest } = given;
    const base = url ?? (await resolve(given, deps));
    const which = { file, destination, ...(level ? { level } : {}), ...(subdomain ? { subdomain } : {}) };
    return {
      destination: { kind: 'http', ...rest, ...endpoint(base, path) },
      credential: {
        kind: 'btp-destination',
        ...which,
        ...(who === 'gateway' ? {} : { for: who }),
        origins: [base.origin],
      },
    };
  },
};

export default kind;

/** Once, at the start: a destination that is led elsewhere later gets no credential there until the next reload. */
async function resolve(given: Options, deps: KindDeps): Promise<URL> {
  const service = new DestinationService(new ServiceKeyFile(given.file, deps.baseDir), given, deps);
  const found = await service
    .find(new AbortController().signal, { withTokens: false })
    .then(({ url }) => url)
    .catch(orConfigError(given.file));
  if (found.protocol === 'https:' || isLoopbackHost(found.hostname)) return found;
  const message = `the BTP destination ${given.destination} leads to ${found.origin}: a credential would travel there unencrypted`;
  const hint =
    'Use https in the destination; or write url here, and say --allow-http where everybody on that network may see it.';
  throw new ConfigError([{ file: given.file, path: '', message, hint, severity: 'fault' }]);
}
