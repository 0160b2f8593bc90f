import * as z from 'zod';
import type { CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin } from '../core/schema.js';
import { checkServer } from './authorizationServer.js';
import { checkProof } from './clientProof.js';
import { logInByDevice } from './deviceLogin.js';
import { carriedOn, grantFields } from './grantOptions.js';
import { type Grants, KeptTokens } from './keptTokens.js';
import { whose } from './whose.js';

const fields = z.strictObject({
  ...grantFields,
  /** The device authorization endpoint. */
  deviceUrl: httpUrl().optional(),
  /** Whose the token is: one for everybody, or one for each caller. */
  for: whose,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  checkServer(given, ['deviceUrl', 'tokenUrl'], context);
  checkProof(given, context);
});

/** OAuth 2 device authorization (RFC 8628): a person logs in on any device, no browser has to come back here. */
const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  create(given, deps) {
    const grants = grantsOf(given, deps);
    const { for: whose, origins } = given;
    return new KeptTokens({ kind: 'device-code', for: whose, origins, grants: () => grants }, deps);
  },
};

export default kind;

function grantsOf(given: Options, deps: CredentialDeps): Grants {
  const { calls, ...carried } = carriedOn(given, 'deviceUrl and tokenUrl', deps);
  const { scope, audience, resource, parameters } = given;
  const { clock, signals, name } = deps;
  const asked = { scope, parameters: { ...parameters, audience, resource } };
  const login = { calls, clock, signals, name, forAll: given.for === 'gateway', ...asked };
  return { ...carried, begin: (person) => logInByDevice(login, person) };
}
