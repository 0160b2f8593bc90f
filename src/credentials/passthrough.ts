import * as z from 'zod';
import type { AuthToken, Credential, CredentialSource, Exchange, Inbound, Kind } from '../contracts.js';
import { CredentialError, GatewayError } from '../core/errors.js';
import { headerName, origin } from '../core/schema.js';
import { saidTwice } from '../wire/headers.js';

const OWN_PREFIX = 'x-drawbridge-';

const options = z.strictObject({
  /** Where callers put what is for the server; one of our own headers, so that no other destination is ever sent it. */
  header: headerName()
    .transform((name) => name.toLowerCase())
    .refine((name) => name.startsWith(OWN_PREFIX) && name.length > OWN_PREFIX.length, `must begin with ${OWN_PREFIX}`)
    .default('x-drawbridge-authorization'),
  /** The header that the server gets it in. */
  as: headerName().default('Authorization'),
  /** The only origins that may see it. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof options>;

/** What a caller sends along for the server itself. What it proved itself with here goes no further. */
const kind: Kind<CredentialSource, Options> = {
  options,
  create({ header, as, origins }) {
    return {
      scope: 'caller',
      origins,
      renewable: false,
      passOn: (exchange) => passOn(exchange, header, as),
      acquire: () => Promise.reject(new CredentialError('it is its callers’ own', 'Have the caller send it along.')),
      present: (token) => ({ headers: [as, token.value], token, callers: true }),
    };
  },
};

export default kind;

/** Nobody's token: what is passed on is never kept. */
const NONE: AuthToken = { value: '', obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY };
const NOTHING: Credential = { headers: [], token: NONE, callers: true };

/** A server that is shown nothing says itself what it wants. */
function passOn({ request, tokenIsOurs }: Exchange, header: string, as: string): Credential {
  if (saidTwice(request.headerLines, header)) throw twice(header);
  const value = request.header(header) ?? (tokenIsOurs ? undefined : itself(request, as));
  if (value === undefined) return NOTHING;
  if (tokenIsOurs && isProof(value, request)) throw ours(header);
  return { headers: [as, value], token: NONE, callers: true };
}

/** Where nobody here took it, the very line that the server gets may come as it is. */
function itself(request: Inbound, as: string): string | undefined {
  return as.toLowerCase() === 'authorization' ? request.header('authorization') : undefined;
}

/** True for what the caller proved itself with here, whatever it is wrapped in. */
function isProof(value: string, request: Inbound): boolean {
  const proofs = [request.header('authorization'), request.header('x-api-key')];
  return proofs.some((proof) => proof !== undefined && lastWord(proof) === lastWord(value));
}

function lastWord(text: string): string {
  return text.trim().split(/\s+/).at(-1) ?? '';
}

function twice(header: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `the request has two ${header} headers`, { hint: `Send one ${header}.` });
}

function ours(header: string): GatewayError {
  return new GatewayError('CALLER_TOKEN_NEEDED', 'the token that says here who calls is shown to no server', {
    hint: `Send a token of the server's own in ${header}.`,
  });
}
