import { X509Certificate } from 'node:crypto';

/** What a certificate says, as far as it is looked at. */
export interface Vouched {
  /** SHA-256 in hex. */
  readonly fingerprint: string;
  /** Parts in the certificate's own order, joined by commas. */
  readonly subject: string;
  /** Alternative names, each with its sort: `DNS:…`, `URI:…`, `IP Address:…`. */
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly from: number;
  readonly until: number;
}

/** The certificate of a header: a byte sequence (RFC 9440 section 2.2) or PEM in percent-encoding; undefined where it is neither. */
export function readCertificate(value: string, format: 'rfc9440' | 'pem'): Buffer | string | undefined {
  if (format === 'pem') return readPem(value);
  const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(value.trim())?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}

function readPem(value: string): string | undefined {
  try {
    const pem = decodeURIComponent(value);
    return /^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/.test(pem) ? pem : undefined;
  } catch {
    return undefined;
  }
}

export function parseCertificate(certificate: Buffer | string): Vouched | undefined {
  try {
    const { fingerprint256, subject, subjectAltName, validFrom, validTo } = new X509Certificate(certificate);
    return {
      fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
      subject: subject?.split('\n').join(',') ?? '',
      names: namesOf(subjectAltName),
      from: Date.parse(validFrom),
      until: Date.parse(validTo),
    };
  } catch {
    return undefined;
  }
}

/** Node puts names with odd characters into quotes; such a list could be made to read as another, so that it counts for nothing. */
function namesOf(alternatives: string | undefined): readonly string[] {
  return alternatives === undefined || alternatives.includes('"') ? [] : alternatives.split(', ');
}
