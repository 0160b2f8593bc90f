import * as z from 'zod';
import { integer, origin, secret } from '../core/schema.js';
import { privateKey, signerOf } from './jwtSigner.js';
import { whose } from './whose.js';

/** What Qlik Cloud signs and checks with: RS256 for users' JWTs, these for a client's assertions. */
const ALGORITHMS = ['RS256', 'RS512', 'ES384'] as const;

const text = z.string().min(1);
/** A claim, or a path to one inside an object: `realm.user`. */
const claim = z.string().min(1).max(256);

const fields = z.strictObject({
  /** The tenant's address, such as https://acme.eu.qlikcloud.com. */
  tenant: origin(),
  /** How it lets us in. */
  auth: z.enum(['m2m', 'impersonation', 'jwt-session', 'api-key']),
  clientId: text.optional(),
  clientSecret: secret().optional(),
  /** PEM: of the client, instead of a secret, or of the tenant's JWT identity provider. */
  privateKey: privateKey().optional(),
  keyId: text.optional(),
  algorithm: z.enum(ALGORITHMS).optional(),
  scope: text.optional(),
  apiKey: secret().optional(),
  /** The issuer of the tenant's JWT identity provider. */
  issuer: text.optional(),
  /** Whose the credential is: one user for everybody, or each caller's own. */
  for: whose,
  /** The one user. */
  user: text.optional(),
  userName: text.optional(),
  userEmail: text.optional(),
  userGroups: z.array(text).optional(),
  /** What a user is named by. */
  lookup: z.enum(['subject', 'userId']).optional(),
  /** The identity entries whose callers have users in the tenant. */
  identity: z.array(text).min(1).optional(),
  userClaim: claim.optional(),
  nameClaim: claim.optional(),
  emailClaim: claim.optional(),
  groupsClaim: claim.optional(),
  /** How long a session is taken for good at most. */
  sessionSeconds: integer(60, 86_400).optional(),
  /** The only origins that may see it; the tenant's where absent. */
  origins: z.array(origin()).min(1).optional(),
});

export type QlikOptions = z.infer<typeof fields>;
type Name = keyof QlikOptions;

/** What each way in needs, and what it takes besides. Everything else would have no effect, and is a fault. */
interface Way {
  readonly needs: readonly Name[];
  readonly takes: readonly Name[];
}

const CLIENT: readonly Name[] = ['clientSecret', 'privateKey', 'keyId', 'algorithm', 'scope'];
const EVERY: readonly Name[] = ['tenant', 'auth', 'for', 'origins'];

function wayOf(given: QlikOptions): Way {
  const caller = given.for === 'caller';
  switch (given.auth) {
    case 'm2m':
      return { needs: ['clientId'], takes: CLIENT };
    case 'impersonation':
      return caller
        ? { needs: ['clientId', 'scope', 'identity'], takes: [...CLIENT, 'lookup', 'userClaim'] }
        : { needs: ['clientId', 'scope', 'user'], takes: [...CLIENT, 'lookup'] };
    case 'jwt-session':
      return caller
        ? {
            needs: ['issuer', 'privateKey', 'keyId', 'identity'],
            takes: ['userClaim', 'nameClaim', 'emailClaim', 'groupsClaim', 'sessionSeconds'],
          }
        : {
            needs: ['issuer', 'privateKey', 'keyId', 'user', 'userName', 'userEmail'],
            takes: ['userGroups', 'sessionSeconds'],
          };
    case 'api-key':
      return { needs: ['apiKey'], takes: [] };
  }
}

export const qlikOptions = fields.superRefine((given, context) => {
  const fault = (name: Name, message: string) => context.addIssue({ code: 'custom', path: [name], message });
  const { needs, takes } = wayOf(given);
  const known = new Set([...EVERY, ...needs, ...takes]);
  const where = `where auth is ${given.auth} and for is ${given.for}`;
  for (const name of needs) if (given[name] === undefined) fault(name, `is needed ${where}`);
  for (const name of Object.keys(given) as Name[])
    if (given[name] !== undefined && !known.has(name)) fault(name, `has no meaning ${where}`);
  for (const [name, message] of faultsOfWay(given)) fault(name, message);
});

function faultsOfWay(given: QlikOptions): [Name, string][] {
  if (given.for === 'caller' && (given.auth === 'm2m' || given.auth === 'api-key'))
    return [['for', `must be gateway: ${given.auth} is one user for everybody; use impersonation for callers`]];
  if (given.auth === 'm2m' || given.auth === 'impersonation') return faultsOfClient(given);
  if (given.apiKey && !/^[\x21-\x7e]+$/.test(given.apiKey.reveal()))
    return [['apiKey', 'must be text that a header can hold, without spaces']];
  if (given.auth === 'jwt-session' && given.privateKey && !signerOf(given.privateKey, 'RS256', undefined))
    return [['privateKey', 'must be an RSA key: Qlik Cloud takes RS256 alone from a JWT identity provider']];
  return [];
}

function faultsOfClient({ clientSecret, privateKey: key, keyId, algorithm }: QlikOptions): [Name, string][] {
  if (clientSecret && key) return [['privateKey', 'stands beside clientSecret: write one of them']];
  if (clientSecret) return [];
  if (!key) return [['clientSecret', 'is needed, or privateKey and keyId']];
  if (keyId === undefined) return [['keyId', 'is needed with privateKey: Qlik Cloud finds the key by it']];
  const signer = signerOf(key, algorithm, keyId);
  const fits = signer && ALGORITHMS.some((each) => each === signer.algorithm);
  return fits ? [] : [['privateKey', 'must be an RSA key (RS256, RS512) or P-384 (ES384)']];
}

/** What the schema made sure of. */
export function given<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new TypeError('the options were not checked by their schema');
  return value;
}
