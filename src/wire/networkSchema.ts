import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { flag, secret } from '../core/schema.js';
import { Secret } from '../core/secret.js';

/** A proxy as it is reached and greeted. */
export interface ForwardProxy {
  /** Without user and password. */
  readonly url: URL;
  /** What `Proxy-Authorization` says. */
  readonly authorization?: Secret;
}

/** An http or https proxy, or empty text for none; without a scheme it is http, as in the usual variables. */
function proxy() {
  return z.string().transform((text, context): ForwardProxy | null => {
    if (text === '') return null;
    const written = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
    const parsed = URL.canParse(written) ? proxyOf(new URL(written)) : undefined;
    if (parsed) return parsed;
    context.addIssue({ code: 'custom', message: 'must be the http or https URL of a proxy, without a path' });
    return z.NEVER;
  });
}

function proxyOf(written: URL): ForwardProxy | undefined {
  const { protocol, username, password, pathname, search } = written;
  if (!/^https?:$/.test(protocol) || pathname !== '/' || search !== '') return undefined;
  const url = new URL(written.origin);
  if (username === '' && password === '') return { url };
  const pair = decoded(`${username}:${password}`);
  if (pair === undefined) return undefined;
  return { url, authorization: new Secret(`Basic ${Buffer.from(pair).toString('base64')}`) };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function isChain(text: string): boolean {
  try {
    const found = text.match(CERTIFICATE) ?? [];
    for (const pem of found) new X509Certificate(pem);
    return found.length > 0;
  } catch {
    return false;
  }
}

function fits(certificate: string, key: Secret): boolean {
  try {
    const [first = ''] = certificate.match(CERTIFICATE) ?? [];
    return new X509Certificate(first).checkPrivateKey(createPrivateKey(key.reveal()));
  } catch {
    return false;
  }
}

const chain = z.string().refine(isChain, 'must be certificates in PEM, or the name of a file that holds them');

const fields = z.strictObject({
  /** For https and http targets alike. */
  proxy: proxy().optional(),
  httpsProxy: proxy().optional(),
  httpProxy: proxy().optional(),
  /** Hosts that are reached without it: names with what stands below them, addresses, networks; `*` is all. */
  noProxy: z.array(z.string().min(1)).optional(),
  /** Names of URLs from headers and metadata that this machine can't resolve are the proxy's to resolve, and to guard. */
  proxyResolves: flag().optional(),
  /** Authorities that are trusted besides those of the system. */
  ca: z.union([chain, z.array(chain)]).optional(),
  /** Shown to servers that ask for one, with its chain. */
  certificate: chain.optional(),
  certificateKey: secret().optional(),
});

/** How other machines are reached: of the whole process, or of one destination. */
export const networkSchema = fields.superRefine(({ certificate, certificateKey }, context) => {
  const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (certificate !== undefined && !certificateKey) fault('certificateKey', 'is needed with certificate');
  if (certificateKey && certificate === undefined) fault('certificate', 'is needed with certificateKey');
  if (certificate !== undefined && certificateKey && !fits(certificate, certificateKey))
    fault('certificateKey', 'must be the private key of certificate, in PEM and without a passphrase');
});

export type NetworkOptions = z.output<typeof networkSchema>;
