import { signingKey, signV4, type ToSign } from '../../src/secrets/sigV4.js';

/** The keys, moment and scope of AWS' published test suite ("aws4_testsuite"). */
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const SCOPE = { region: 'us-east-1', service: 'service', now: Date.UTC(2015, 7, 30, 12, 36, 0) };

function signature(request: Partial<ToSign>): string {
  const whole = { method: 'GET', host: 'example.amazonaws.com', path: '/', headers: {}, body: '', ...request };
  const { authorization = '' } = signV4(whole, KEYS, SCOPE);
  return authorization.slice(authorization.lastIndexOf('=') + 1);
}

describe('a signature of version 4', () => {
  it.each<[string, Partial<ToSign>, string]>([
    ['get-vanilla', {}, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['post-vanilla', { method: 'POST' }, '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'get-vanilla-query-order-key-case',
      {
        query: [
          ['Param2', 'value2'],
          ['Param1', 'value1'],
        ],
      },
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'post-x-www-form-urlencoded',
      { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'Param1=value1' },
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
  ])('is that of the published vector %s', (_, request, expected) => {
    expect(signature(request)).toBe(expected);
  });

  it('has the key of the published derivation', () => {
    const key = signingKey('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20150830/us-east-1/iam/aws4_request');
    expect(key.toString('hex')).toBe('c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9');
  });

  it('names what it signs, the token of keys that end included', () => {
    const request = { method: 'GET', host: 'example.amazonaws.com', path: '/', headers: {}, body: '' };
    expect(signV4(request, { ...KEYS, sessionToken: 'token' }, SCOPE)).toEqual({
      'x-amz-date': '20150830T123600Z',
      'x-amz-security-token': 'token',
      authorization: expect.stringMatching(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=[\da-f]{64}$/,
      ),
    });
  });

  it('changes with everything that is signed', () => {
    const all = [
      {},
      { path: '/x' },
      { body: 'x' },
      { host: 'x' },
      { headers: { x: 'y' } },
      { query: [['a', "!'()*"]] as const },
    ];
    expect(new Set(all.map(signature)).size).toBe(all.length);
  });
});
