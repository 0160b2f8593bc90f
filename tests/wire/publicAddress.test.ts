import { assertPublicHost, isPublicAddress, publicLookup } from '../../src/wire/publicAddress.js';

describe('addresses that a URL from a header may reach', () => {
  it.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111'])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
    ...[
      '224.0.0.1',
      '255.255.255.255',
      '192.0.2.1',
      '198.18.0.1',
      '::',
      '::1',
      'fe80::1',
      'fc00::1',
      'fd00:ec2::254',
      'ff02::1',
    ],
    ...['::ffff:127.0.0.1', '::ffff:169.254.169.254', '64:ff9b::7f00:1', '2001:db8::1', 'not an address', ''],
  ])('not %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each([
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::ffff:7f00:1]/',
    'http://169.254.169.254/latest',
  ])('not by writing it as %s', (url) => {
    expect(() => assertPublicHost(new URL(url))).toThrow(expect.objectContaining({ code: 'ADDRESS_NOT_ALLOWED' }));
  });

  it('not by a name that resolves to loopback', async () => {
    const error = await new Promise((resolve) =>
      publicLookup('localhost', { all: true }, (failure) => resolve(failure)),
    );
    expect(error).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
  });
});
