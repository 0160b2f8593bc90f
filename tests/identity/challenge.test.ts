import {
  type Challenge,
  metadataUrl,
  protectedResource,
  stepUpLines,
  unknownLines,
} from '../../src/identity/challenge.js';
import { fakeInbound } from '../helpers/fakes.js';

const base: Challenge = {
  publicUrl: new URL('https://mcp.example.com/'),
  authorizationServers: ['https://idp.example.com'],
  scopes: ['mcp:execute'],
};
const W = '/.well-known/oauth-protected-resource';

describe('the document of a protected resource (RFC 9728)', () => {
  it.each([
    ['', ''],
    ['/', ''],
    ['/mcp', '/mcp'],
    ['/mcp/qlik', '/mcp/qlik'],
    ['/mcp/qlik?x=1', '/mcp/qlik'],
  ])('%s is for the resource %s', (route, resource) => {
    expect(protectedResource(base, fakeInbound(W + route))).toEqual({
      resource: `https://mcp.example.com${resource}`,
      authorization_servers: ['https://idp.example.com'],
      bearer_methods_supported: ['header'],
      scopes_supported: ['mcp:execute'],
    });
  });

  it.each(['x', '/admin', '/mcp/a/b', '/mcp/..', '/mcp/%2e%2e', '/mcp/"x', '/mcpx', '/mcp/'])(
    'there is none for %s',
    (route) => {
      expect(protectedResource(base, fakeInbound(W + route))).toBeUndefined();
    },
  );

  it('stands before and behind a public path', () => {
    const challenge = { ...base, publicUrl: new URL('https://example.com/bridge/') };
    for (const target of [`/bridge${W}/mcp/qlik`, `${W}/bridge/mcp/qlik`, `${W}/mcp/qlik`])
      expect(protectedResource(challenge, fakeInbound(target))?.resource).toBe('https://example.com/bridge/mcp/qlik');
    expect(metadataUrl(challenge, fakeInbound('/mcp/qlik'))).toBe(`https://example.com/bridge${W}/mcp/qlik`);
  });

  it('there is none where nobody issues tokens', () => {
    const challenge = { ...base, authorizationServers: [] };
    expect(protectedResource(challenge, fakeInbound(W))).toBeUndefined();
    expect(unknownLines({ ...challenge, scopes: [] }, fakeInbound('/mcp'), false)).toEqual([
      'www-authenticate',
      'Bearer realm="mcp"',
    ]);
  });

  it('is found by the Host where no public URL is set, and not by one that could end a header', () => {
    const challenge = { ...base, publicUrl: undefined };
    const at = (host: string) => metadataUrl(challenge, fakeInbound('/mcp', { host }));
    expect(at('LocalHost:3001')).toBe(`http://localhost:3001${W}/mcp`);
    expect(at('[::1]:3001')).toBe(`http://[::1]:3001${W}/mcp`);
    for (const host of ['a"b', 'a b', 'a/b', 'a@b', 'a\r\nb', '', 'é']) expect(at(host)).toBeUndefined();
  });

  it('is the nearest one to the path that was asked for', () => {
    for (const [target, route] of [
      ['/mcp/qlik', '/mcp/qlik'],
      ['/mcp/stream/http', '/mcp'],
      ['/mcp/a"b', '/mcp'],
      ['/sse', ''],
      ['/admin/v1', ''],
    ])
      expect(metadataUrl(base, fakeInbound(target as string))).toBe(`https://mcp.example.com${W}${route}`);
  });
});

describe('a challenge', () => {
  it('names scopes, and never offline_access', () => {
    expect(unknownLines(base, fakeInbound('/mcp'), true)[1]).toBe(
      `Bearer error="invalid_token", scope="mcp:execute", resource_metadata="https://mcp.example.com${W}/mcp"`,
    );
    expect(stepUpLines(base, fakeInbound('/mcp'), ['offline_access', 'x'])[1]).toContain('scope="x"');
  });
});
