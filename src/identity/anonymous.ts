import * as z from 'zod';
import type { IdentityDeps, IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Kind, Principal } from '../contracts.js';
import { flag } from '../core/schema.js';
import type { Provider } from './provider.js';

const options = z.strictObject({
  /** Also callers from other machines. */
  allowRemote: flag().default(false),
  /** What nobody in particular may do. */
  roles: z.array(z.string().min(1)).default([]),
});

type Options = z.infer<typeof options>;

/** Callers without any proof: those of this machine, unless more is allowed. Asked last, wherever the configuration has it. */
const kind: Kind<IdentityProvider, Options, IdentityDeps> = {
  options,
  create(given, deps): Provider {
    const principal: Principal = Object.freeze({ subject: `${deps.name}:anonymous`, roles: given.roles, claims: {} });
    return {
      authorizationServers: [],
      last: true,
      recognises: (request) => !carriesProof(request) && (given.allowRemote || isLocal(request)),
      verify: () => principal,
    };
  },
};

export default kind;

function carriesProof(request: Inbound): boolean {
  return (
    request.header('authorization') !== undefined ||
    request.header('x-api-key') !== undefined ||
    request.header('client-cert') !== undefined
  );
}

/** What a proxy on this machine passes on came from somewhere else, and says so. */
const RELAYED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

function isLocal(request: Inbound): boolean {
  return isLoopback(request.remoteAddress) && !RELAYED.some((name) => request.header(name) !== undefined);
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(address);
}
