import { GatewayError } from '../../src/core/errors.js';
import { explainUpstreamError } from '../../src/wire/explain.js';

const ORIGIN = 'https://site.example.com';

function failure(code: string): Error {
  return Object.assign(new Error('secret text of a library'), { code });
}

describe('why no answer came', () => {
  it.each([
    ['UND_ERR_CONNECT_TIMEOUT', true, 'UPSTREAM_TIMEOUT'],
    ['ETIMEDOUT', true, 'UPSTREAM_TIMEOUT'],
    ['HPE_INVALID_CONSTANT', false, 'UPSTREAM_GARBAGE'],
    ['UND_ERR_HEADERS_OVERFLOW', false, 'UPSTREAM_GARBAGE'],
    ['ECONNREFUSED', true, 'UPSTREAM_UNREACHABLE'],
    ['ECONNRESET', false, 'UPSTREAM_BROKE'],
  ])('is told by the code alone: %s', (code, neverSent, expected) => {
    const explained = explainUpstreamError(failure(code), ORIGIN, neverSent);
    expect(explained).toMatchObject({ code: expected, neverSent });
    expect(explained.message).toContain(ORIGIN);
    expect(explained.message).not.toContain('secret');
  });

  it('stays what it is where somebody has said it before', () => {
    const said = new GatewayError('CALLER_LEFT', 'the caller left');
    expect(explainUpstreamError(said, ORIGIN, true)).toBe(said);
  });
});
