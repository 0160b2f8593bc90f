import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/** A server's own, and who may sign its clients'. */
export interface Tls extends Certificate {
  /** PEM. */
  readonly ca: string;
}

export interface Authority extends Certificate {
  /** A leaf for 127.0.0.1, localhost and what `names` lists, good for a server and for a client. */
  issue(commonName: string, wish?: LeafWish): Certificate;
}

export interface LeafWish {
  /** Instead of `localhost`. */
  readonly names?: readonly string[];
  /** True for one that ended an hour ago. */
  readonly expired?: boolean;
}

/** A throw-away certificate authority, made of Node's own crypto so that no openssl is needed. P-256, a day's life. */
export function createAuthority(commonName = 'test authority'): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const issuer = name(commonName);
  const self = certificate({
    issuer,
    subject: issuer,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    authority: true,
  });
  return {
    cert: self,
    key: pkcs8(keys.privateKey),
    issue(subject, wish = {}) {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const cert = certificate({
        issuer,
        subject: name(subject),
        publicKey: leaf.publicKey,
        signer: keys.privateKey,
        authority: false,
        ...wish,
      });
      return { cert, key: pkcs8(leaf.privateKey) };
    },
  };
}

/** An authority, a server's certificate by it and a client's: what the faces with certificates need. */
export function createTestTls(clientName: string): { authority: Authority; server: Tls; client: Certificate } {
  const authority = createAuthority();
  return {
    authority,
    server: { ...authority.issue('server'), ca: authority.cert },
    client: authority.issue(clientName),
  };
}

function pkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

interface Form {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly authority: boolean;
  readonly names?: readonly string[];
  readonly expired?: boolean;
}

/** RFC 5280 section 4.1, in DER. */
function certificate({ issuer, subject, publicKey, signer, authority, names, expired = false }: Form): string {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const end = expired ? Date.now() - 3_600_000 : Date.now() + 86_400_000;
  const validity = sequence(time(Date.now() - 7_200_000), time(end));
  const extensions = tagged(3, sequence(...(authority ? [basicConstraints()] : [subjectAltName(names)])));
  const tbs = sequence(
    tagged(0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    issuer,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const whole = sequence(tbs, algorithm, bits(sign('sha256', tbs, signer)));
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function basicConstraints(): Buffer {
  return sequence(oid('2.5.29.19'), der(0x01, Buffer.from([0xff])), octets(sequence(der(0x01, Buffer.from([0xff])))));
}

function subjectAltName(names: readonly string[] = ['localhost']): Buffer {
  const written = names.map((each) => der(0x82, Buffer.from(each)));
  return sequence(oid('2.5.29.17'), octets(sequence(...written, der(0x87, Buffer.from([127, 0, 0, 1])))));
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));
}

function time(moment: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(moment).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function tagged(number: number, content: Buffer): Buffer {
  return der(0xa0 + number, content);
}

function octets(content: Buffer): Buffer {
  return der(0x04, content);
}

function bits(content: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.from([0]), content]));
}

function der(tag: number, content: Buffer): Buffer {
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
