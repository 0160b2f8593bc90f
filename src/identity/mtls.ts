import * as z from 'zod';
import type { IdentityDeps, IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Kind, Principal } from '../contracts.js';
import { headerName } from '../core/schema.js';
import { saidTwice } from '../wire/headers.js';
import { parseCertificate, readCertificate, type Vouched } from './clientCertificate.js';
import { type Provider, unknownCaller } from './provider.js';
import { fingerprint, TokenCache } from './tokenCache.js';

const text = z.string().min(1).max(1024);

const allow = z
  .strictObject({
    /** SHA-256 of the certificate, hex, with or without colons. */
    fingerprints: z
      .array(
        z
          .string()
          .regex(/^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, 'must be a SHA-256 fingerprint: 64 hex digits')
          .transform((digits) => digits.replaceAll(':', '').toLowerCase()),
      )
      .default([]),
    /** Whole subjects, such as `CN=robot,O=Example`. */
    subjects: z.array(text).default([]),
    /** Alternative names, such as `DNS:robot.example.com` or `URI:spiffe://example.com/robot`. */
    names: z.array(text).default([]),
  })
  .refine(
    ({ fingerprints, subjects, names }) => fingerprints.length + subjects.length + names.length > 0,
    'must list a fingerprint, a subject or a name: a certificate authority alone lets in everybody it ever signed for',
  );

const options = z.strictObject({
  /** Where the trusted proxy puts the certificate. */
  header: headerName().default('Client-Cert'),
  /** How it writes it: RFC 9440, or PEM in percent-encoding as nginx has it. */
  format: z.enum(['rfc9440', 'pem']).default('rfc9440'),
  /** Whose certificates are let in. */
  allow,
  /** What the caller is called by: its certificate's fingerprint, or the first alternative name. */
  subject: z.enum(['fingerprint', 'name']).default('fingerprint'),
  tenant: text.optional(),
  roles: z.array(text).default([]),
});

type Options = z.infer<typeof options>;

/** Client certificates that a trusted proxy checked and vouches for (RFC 9440). */
const kind: Kind<IdentityProvider, Options, IdentityDeps> = {
  options,
  create: (given, deps) => new Certificates(given, deps),
};

export default kind;

const MOST_KNOWN = 2000;
const TRUSTED_FOR_MS = 15 * 60_000;
const LONGEST_VALUE = 16 * 1024;

class Certificates implements Provider {
  readonly authorizationServers: readonly string[] = [];
  readonly leavesTokens = true;
  readonly #given: Options;
  readonly #deps: IdentityDeps;
  readonly #header: string;
  readonly #known = new TokenCache<Principal>(MOST_KNOWN);

  constructor(given: Options, deps: IdentityDeps) {
    this.#given = given;
    this.#deps = deps;
    this.#header = given.header.toLowerCase();
  }

  recognises(request: Inbound): boolean {
    return request.header(this.#header) !== undefined;
  }

  verify(request: Inbound): Principal {
    const value = request.header(this.#header) ?? '';
    if (!this.#deps.trustedProxy(request.remoteAddress))
      throw unknownCaller('a certificate may be vouched for by a trusted proxy only');
    if (saidTwice(request.headerLines, this.#header)) throw unknownCaller('the request carries two certificates');
    if (value.length > LONGEST_VALUE) throw unknownCaller('the certificate is too large');
    const key = fingerprint(value);
    const now = this.#deps.clock.now();
    return this.#known.get(key, now) ?? this.#verify(value, key, now);
  }

  #verify(value: string, key: string, now: number): Principal {
    const bytes = readCertificate(value, this.#given.format);
    const vouched = bytes && parseCertificate(bytes);
    if (!vouched) throw unknownCaller('the certificate cannot be read');
    if (!(now >= vouched.from && now < vouched.until)) throw unknownCaller('the certificate is not valid now');
    if (!this.#allows(vouched)) throw unknownCaller('the certificate is not one that is let in here');
    const principal = this.#principal(vouched);
    this.#known.set(key, principal, Math.min(vouched.until, now + TRUSTED_FOR_MS));
    return principal;
  }

  #allows({ fingerprint: digest, subject, names }: Vouched): boolean {
    const { allow: listed } = this.#given;
    return (
      listed.fingerprints.includes(digest) ||
      listed.subjects.includes(subject) ||
      names.some((name) => listed.names.includes(name))
    );
  }

  #principal(vouched: Vouched): Principal {
    const { tenant, roles } = this.#given;
    const id = this.#given.subject === 'name' ? vouched.names[0] : vouched.fingerprint;
    if (id === undefined) throw unknownCaller('the certificate has no alternative name');
    return Object.freeze({
      subject: `${this.#deps.name}:${id}`,
      roles,
      claims: Object.freeze({ subject: vouched.subject, names: vouched.names, fingerprint: vouched.fingerprint }),
      ...(tenant === undefined ? {} : { tenant }),
    });
  }
}
