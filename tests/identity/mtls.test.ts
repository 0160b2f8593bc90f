import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../src/core/async.js';
import mtls from '../../src/identity/mtls.js';
import { issuesOf } from '../credentials/world.js';
import { createAuthority } from '../helpers/certificates.js';
import { createProvider, fate, identityDeps, inboundFrom } from './world.js';

const { cert } = createAuthority().issue('robot');
const other = createAuthority().issue('robot, CN=admin').cert;
const fingerprint = new X509Certificate(cert).fingerprint256;
const field = (pem: string) => `:${new X509Certificate(pem).raw.toString('base64')}:`;
const from = (pem: string, address = '10.0.0.1') => inboundFrom(address, { 'Client-Cert': field(pem) });

const provider = (options: object) => createProvider(mtls, options, identityDeps({ clock: systemClock }));

describe('mtls', () => {
  it.each([
    ['fingerprint', { fingerprints: [fingerprint] }],
    ['subject', { subjects: ['CN=robot'] }],
    ['name', { names: ['DNS:localhost'] }],
  ])('lets in a certificate that is listed by its %s', async (_by, allow) => {
    const subject = `corp:${fingerprint.replaceAll(':', '').toLowerCase()}`;
    const it = provider({ allow, roles: ['robots'] });
    expect(await fate(it, from(cert))).toMatchObject({ subject, roles: ['robots'] });
    expect(await fate(it, from(cert))).toMatchObject({ subject });
  });

  it('stops a certificate that the caller vouches for itself', async () => {
    const it = provider({ allow: { fingerprints: [fingerprint] } });
    await fate(it, from(cert));
    for (const address of ['127.0.0.1', '10.0.0.2', ''])
      expect(await fate(it, from(cert, address))).toBe('CALLER_UNKNOWN');
  });

  it('stops a certificate of the same name by another key, and a comma in a name that would add a part', async () => {
    expect(await fate(provider({ allow: { fingerprints: [fingerprint] } }), from(other))).toBe('CALLER_UNKNOWN');
    expect(await fate(provider({ allow: { subjects: ['CN=robot,CN=admin', 'CN=admin'] } }), from(other))).toBe(
      'CALLER_UNKNOWN',
    );
  });

  it.each([
    ['nothing', ''],
    ['no byte sequence', 'AAAA'],
    ['no certificate', ':AAAA:'],
    ['two values', `${field(cert)}, ${field(cert)}`],
    ['too much', `:${'A'.repeat(20_000)}:`],
  ])('stops a header that holds %s', async (_what, value) => {
    const request = inboundFrom('10.0.0.1', { 'client-cert': value });
    expect(await fate(provider({ allow: { subjects: ['CN=robot'] } }), request)).toBe('CALLER_UNKNOWN');
  });

  it('stops a certificate that has ended, though it was let in before', async () => {
    let now = Date.now();
    const deps = identityDeps({ clock: { ...systemClock, now: () => now } });
    const it = createProvider(mtls, { allow: { subjects: ['CN=robot'] } }, deps);
    expect(await fate(it, from(cert))).toMatchObject({ claims: { subject: 'CN=robot' } });
    now += 2 * 86_400_000;
    expect(await fate(it, from(cert))).toBe('CALLER_UNKNOWN');
  });

  it('reads PEM in percent-encoding, from the header that it is told', async () => {
    const it = provider({ allow: { subjects: ['CN=robot'] }, header: 'X-SSL-Cert', format: 'pem', subject: 'name' });
    const request = inboundFrom('10.0.0.1', { 'X-SSL-Cert': encodeURIComponent(cert) });
    expect(await fate(it, request)).toMatchObject({ subject: 'corp:DNS:localhost' });
  });

  it('refuses a list that would let in everybody', () => {
    expect(issuesOf(mtls, { allow: {} })[0]).toContain('allow: must list a fingerprint, a subject or a name');
  });
});
