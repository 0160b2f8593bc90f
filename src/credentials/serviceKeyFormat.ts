import { CredentialError } from '../core/errors.js';
import { asObject, parsedObject } from '../core/json.js';
import { Secret } from '../core/secret.js';
import type { Client } from './tokenEndpoint.js';

/** What a service key of SAP BTP says. */
export interface ServiceKey {
  readonly tokenUrl: URL;
  /** Where people log in; with a certificate, too, it is at the uaa's own URL. */
  readonly authorizeUrl: URL;
  readonly client: Client;
  /** The service behind the key, where it names one. */
  readonly serviceUrl?: URL;
  /** The API of the Destination service, in a key of that one. */
  readonly destinationUri?: URL;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a service key in any of its shapes: flat (xsuaa), with a nested `uaa` (ABAP, many services), either of them wrapped
 * in `credentials` as `cf service-key` prints it; with a secret or with a certificate (`x509`).
 * Throws a CredentialError that names the file and the missing member, and never repeats what the file holds.
 */
export function parseServiceKey(text: string, file: string): ServiceKey {
  const whole =
    parsedObject(text) ??
    fault(file, 'is not a JSON object', 'Keep only what stands between the first { and the last }.');
  const root = member(whole, 'credentials') ?? whole;
  const uaa = member(root, 'uaa') ?? root;
  const id =
    word(uaa, 'clientid') ??
    fault(file, 'has no clientid', 'Create a key of a service that issues OAuth tokens (XSUAA).');
  const url = urlOf(uaa, 'url') ?? fault(file, 'has no uaa url', 'Create the key anew: it must name its XSUAA.');
  const serviceUrl = serviceUrlOf(root, url);
  const destinationUri = urlOf(root, 'uri');
  return {
    ...clientOf(uaa, id, url, file),
    authorizeUrl: endpoint(url, 'authorize'),
    ...(serviceUrl ? { serviceUrl } : {}),
    ...(destinationUri ? { destinationUri } : {}),
  };
}

/** XSUAA doesn't decode Basic as RFC 6749 encodes it: id and secret go in the body. */
function clientOf(uaa: Json, id: string, url: URL, file: string): Pick<ServiceKey, 'tokenUrl' | 'client'> {
  const secret = word(uaa, 'clientsecret');
  if (secret !== undefined && uaa['credential-type'] !== 'x509') {
    return { tokenUrl: endpoint(url, 'token'), client: { authentication: 'form', id, secret: new Secret(secret) } };
  }
  const [certificate, key, certurl] = [word(uaa, 'certificate'), word(uaa, 'key'), urlOf(uaa, 'certurl')];
  if (certificate === undefined || key === undefined || !certurl) {
    return fault(
      file,
      'has neither a clientsecret nor certificate, key and certurl',
      'Create the key anew, with a binding secret or x509.',
    );
  }
  return {
    tokenUrl: endpoint(certurl, 'token'),
    client: { authentication: 'tls', id, certificate, key: new Secret(key) },
  };
}

function endpoint(base: URL, name: string): URL {
  return new URL(`${base.origin}${base.pathname.replace(/\/+$/, '')}/oauth/${name}`);
}

/** An ABAP key has its system at the root `url`; in a flat key that is the UAA itself. */
function serviceUrlOf(root: Json, uaaUrl: URL): URL | undefined {
  const named =
    urlOf(member(root, 'abap'), 'url') ?? urlOf(member(root, 'endpoints'), 'abap') ?? urlOf(root, 'sap_url');
  if (named) return named;
  const url = urlOf(root, 'url');
  return url && url.href !== uaaUrl.href && !url.host.includes('authentication') ? url : undefined;
}

function fault(file: string, message: string, mend: string): never {
  throw new CredentialError(`the service key ${file} ${message}`, mend);
}

function member(from: Json, name: string): Json | undefined {
  return asObject(from[name]);
}

function word(from: Json, name: string): string | undefined {
  const value = from[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function urlOf(from: Json | undefined, name: string): URL | undefined {
  const value = from && word(from, name);
  if (value === undefined || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
}
