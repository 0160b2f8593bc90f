import { clientAddressRule } from '../../src/wire/clientAddress.js';

describe('who called', () => {
  const behind = clientAddressRule(['10.0.0.0/8', '::1', '192.0.2.7']);

  it.each([
    ['nobody is trusted by default', clientAddressRule([]), '127.0.0.1', '203.0.113.9', '127.0.0.1'],
    ['a trusted proxy names the caller', behind, '10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['an IPv4-mapped proxy is the same proxy', behind, '::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['several proxies in a row', behind, '10.1.2.3', '203.0.113.9, 192.0.2.7, 10.9.9.9', '203.0.113.9'],
    ['what the caller itself wrote is hearsay', behind, '10.1.2.3', '1.2.3.4, 203.0.113.9', '203.0.113.9'],
    ['an untrusted socket speaks for itself', behind, '203.0.113.5', '1.2.3.4', '203.0.113.5'],
    ['nonsense is not an address', behind, '10.1.2.3', 'unknown', '10.1.2.3'],
    ['no header', behind, '10.1.2.3', undefined, '10.1.2.3'],
    ['all trusted', behind, '10.1.2.3', '10.0.0.1', '10.1.2.3'],
  ])('%s', (_what, rule, socket, forwardedFor, caller) => {
    expect(rule(socket, forwardedFor)).toBe(caller);
  });
});
