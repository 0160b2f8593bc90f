import * as z from 'zod';
import type { AuthToken, Credential, CredentialSource, Kind, Proof } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { origin } from '../core/schema.js';
import { btpDestinationFields } from './btpDestinationOptions.js';
import { DestinationService } from './btpDestinationService.js';
import { proofFor } from './callersToken.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { orConfigError } from './serviceKeyOptions.js';
import { whose } from './whose.js';

const options = z.strictObject({
  ...btpDestinationFields,
  for: whose,
  /** The only origins that may see it; the destination's own URL must be at one of them. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof options>;

/** What SAP BTP's Destination service has for a destination: a token that the service fetched itself, user and password, headers. */
const kind: Kind<CredentialSource, Options> = {
  options,
  async create(given, deps) {
    const file = new ServiceKeyFile(given.file, deps.baseDir);
    await file.read().catch(orConfigError(given.file));
    const service = new DestinationService(file, given, deps);
    return {
      ...(given.for === 'caller'
        ? { scope: 'caller' as const, basis: proofFor(deps.name) }
        : { scope: 'gateway' as const }),
      origins: given.origins,
      renewable: true,
      boundTo: () => [given.destination, given.level ?? '', given.subdomain ?? ''],
      acquire: (signal, { caller }) => acquire(service, given, { now: deps.clock.now, signal, user: caller?.proof }),
      present,
    };
  },
};

export default kind;

async function acquire(
  service: DestinationService,
  { destination, origins }: Options,
  { now, signal, user }: { now: () => number; signal: AbortSignal; user: Proof | undefined },
): Promise<AuthToken> {
  const found = await service.find(signal, { withTokens: true, ...(user ? { user } : {}) });
  const { origin: at } = found.url;
  if (!origins.includes(at)) {
    throw new CredentialError(
      `the BTP destination ${destination} leads to ${at}, which this credential does not list`,
      'Add that origin to origins, if it may see the credential; where the destination itself is resolved at the start, reload.',
    );
  }
  const obtainedAt = now();
  const { headers, lifeMs } = found.shown(obtainedAt);
  return { value: JSON.stringify(headers), obtainedAt, expiresAt: obtainedAt + lifeMs };
}

function present(token: AuthToken): Credential {
  return { headers: JSON.parse(token.value) as string[], token };
}
