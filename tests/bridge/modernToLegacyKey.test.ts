import { ownerOf, sessionKey } from '../../src/bridge/modernToLegacyKey.js';
import type { Way } from '../../src/bridge/modernToLegacySession.js';
import type { Upstream } from '../../src/contracts.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const client = { capabilities: {}, info: { name: 'c', version: '1' } } as unknown as Parameters<typeof sessionKey>[1];
const shown = { name: 'up', personal: true } as Upstream;
const unseen = { name: 'up' } as Upstream;

/** A caller that nobody knows, with these headers. */
function wayOf(headers: Record<string, string>): Way {
  const route = { destination: 'up', url: new URL('https://up.example.com/mcp') };
  return { exchange: fakeExchange(fakeInbound('/mcp/up', headers)), attempt: { route } } as unknown as Way;
}

describe('callers that nobody knows, at a server that is shown what they send along', () => {
  it.each([
    ['in our own header', { 'x-drawbridge-authorization': 'Bearer a' }, { 'x-drawbridge-authorization': 'Bearer b' }],
    ['as it is', { authorization: 'Bearer a' }, { authorization: 'Bearer b' }],
  ])('share nothing where that differs: %s', (_title, one, other) => {
    expect(sessionKey(wayOf(one), client, shown)).not.toBe(sessionKey(wayOf(other), client, shown));
    expect(ownerOf(wayOf(one), shown)).not.toBe(ownerOf(wayOf(other), shown));
    expect(sessionKey(wayOf(one), client, shown)).toBe(sessionKey(wayOf({ ...one }), client, shown));
  });

  it('are one where the server is not shown it', () => {
    const [one, other] = [wayOf({ authorization: 'Bearer a' }), wayOf({ authorization: 'Bearer b' })];
    expect(sessionKey(one, client, unseen)).toBe(sessionKey(other, client, unseen));
  });
});
