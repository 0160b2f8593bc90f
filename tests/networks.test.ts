import type { Entry } from '../src/config/settings.js';
import { networkOf, ownNetwork } from '../src/networks.js';
import { createAuthority } from './helpers/certificates.js';

describe('the network of a destination', () => {
  it('shows its certificate to every member of a pool, and to nobody else', () => {
    const { cert: certificate, key: certificateKey } = createAuthority('the company').issue('drawbridge');
    const network = { certificate, certificateKey };
    const urls = ['https://one.example.com/mcp', { url: 'https://two.example.com:8443/mcp', weight: 2 }];
    const entry: Entry = { kind: 'http', options: { urls, network }, baseDir: '/' };
    const settings: Parameters<typeof ownNetwork>[0] = { network: { options: {} } };
    const of = networkOf(settings, entry);
    const shown = of.trust('https://one.example.com');
    expect(shown.secureContext).toBeDefined();
    expect(of.trust('https://two.example.com:8443')).toBe(shown);
    expect(of.trust('https://two.example.com')).toEqual({});
    expect(of.trust('https://three.example.com')).toEqual({});
    expect(ownNetwork(settings).trust('https://one.example.com')).toEqual({});
  });
});
