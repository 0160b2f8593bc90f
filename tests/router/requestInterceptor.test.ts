import type { Upstream } from '../../src/contracts.js';
import { intercept, type RoutingTable } from '../../src/router/requestInterceptor.js';
import { fakeInbound } from '../helpers/fakes.js';

function upstream(name: string, origin: string | undefined, more: Partial<Upstream> = {}): Upstream {
  return {
    name,
    strategy: 'PROXY',
    allowedOrigins: [],
    allowPrivate: false,
    safeToRepeat: () => false,
    resolve: (base) => base,
    send: () => Promise.reject(new Error('not here')),
    close: async () => {},
    ...(origin === undefined ? {} : { url: new URL(`${origin}/mcp`) }),
    ...more,
  };
}

const upstreams = new Map(
  [
    upstream('ai', 'https://ai.example.com'),
    upstream('qlik', 'https://qlik.example.com', {
      allowedOrigins: ['https://eu.example.com', 'https://shared.example.com'],
    }),
    upstream('jobs', 'https://jobs.example.com', { allowedOrigins: ['https://shared.example.com'] }),
    upstream('built-in', 'https://ai.example.com', { tools: { list: () => [], turn: () => undefined } }),
    upstream('site', 'http://localhost:8080', { strategy: 'PASSTHROUGH' }),
  ].map((one) => [one.name, one]),
);

function decide(target: string, headers: Record<string, string> = {}, more: Partial<RoutingTable> = {}) {
  return intercept(fakeInbound(target, headers), { upstreams, suggest: true, ...more });
}

/** The code of the error that a request meets. */
function refusal(target: string, headers: Record<string, string> = {}, more: Partial<RoutingTable> = {}): unknown {
  try {
    return decide(target, headers, more);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('which destination a request means', () => {
  it.each(['x-btp-destination', 'x-sap-destination', 'x-mcp-destination'])('%s names it', (header) => {
    expect(decide('/mcp', { [header]: 'ai' })).toEqual({ strategy: 'PROXY', destination: 'ai', by: 'header' });
  });

  it.each(['/mcp/ai', '/mcp/ai/', '/mcp/ai?x=1'])('%s names it by path', (target) => {
    expect(decide(target)).toEqual({ strategy: 'PROXY', destination: 'ai', by: 'path' });
  });

  it('the alias of mcp-abap-adt-proxy is a path without a name', () => {
    expect(decide('/mcp/stream/http', { 'x-btp-destination': 'ai' }).destination).toBe('ai');
    expect(refusal('/mcp/stream/http')).toBe('NO_DESTINATION');
  });

  it('a flag beats the path, the path beats the default, a header beats the default', () => {
    expect(decide('/mcp/ai', {}, { forced: 'jobs' })).toMatchObject({ destination: 'jobs', by: 'flag' });
    expect(decide('/mcp/ai', {}, { defaultDestination: 'jobs' })).toMatchObject({ destination: 'ai' });
    expect(decide('/mcp', { 'x-btp-destination': 'ai' }, { defaultDestination: 'jobs' })).toMatchObject({
      destination: 'ai',
    });
    expect(decide('/mcp', {}, { defaultDestination: 'jobs' })).toMatchObject({ destination: 'jobs', by: 'default' });
  });

  it('what contradicts itself is refused', () => {
    expect(refusal('/mcp/ai', { 'x-btp-destination': 'jobs' })).toBe('CONFLICTING_DESTINATIONS');
    expect(refusal('/mcp', { 'x-btp-destination': 'ai', 'x-sap-destination': 'jobs' })).toBe(
      'CONFLICTING_DESTINATIONS',
    );
    expect(refusal('/mcp', { 'x-mcp-url': 'https://a.example', 'x-target-url': 'https://b.example' })).toBe(
      'CONFLICTING_DESTINATIONS',
    );
    // Two lines of one header reach us joined.
    expect(refusal('/mcp', { 'x-btp-destination': 'ai, jobs' })).toBe('UNKNOWN_DESTINATION');
    expect(decide('/mcp/ai', { 'x-btp-destination': 'ai', 'x-sap-destination': 'ai' }).destination).toBe('ai');
  });

  it.each(['../ai', '..%2fai', '%2e%2e', 'ai%00', '__proto__', 'constructor', 'toString', 'AI', '', 'a/b', 'sse'])(
    'the path name %j is no destination',
    (name) => {
      if (name === '') expect(refusal(`/mcp/${name}`)).toBe('NO_DESTINATION');
      else expect(refusal(`/mcp/${name}`)).toBe('UNKNOWN_DESTINATION');
    },
  );

  it.each(['__proto__', 'constructor', '../ai', '%2e', 'ai\u0000'])('the header value %j is no destination', (name) => {
    expect(refusal('/mcp', { 'x-btp-destination': name })).toBe('UNKNOWN_DESTINATION');
  });

  it('a near miss is told', () => {
    expect(() => decide('/mcp/qlick')).toThrow(expect.objectContaining({ hint: 'Did you mean qlik?' }));
  });
});

describe('a target URL from a header', () => {
  it('with a destination, must be on its own origin or a listed one', () => {
    const headers = { 'x-btp-destination': 'qlik' };
    expect(decide('/mcp', { ...headers, 'x-mcp-url': 'https://eu.example.com/a' }).url?.href).toBe(
      'https://eu.example.com/a',
    );
    expect(decide('/mcp', { ...headers, 'x-target-url': 'https://qlik.example.com/b' }).url?.href).toBe(
      'https://qlik.example.com/b',
    );
    expect(refusal('/mcp', { ...headers, 'x-mcp-url': 'https://evil.example' })).toBe('TARGET_NOT_ALLOWED');
    expect(refusal('/mcp', { ...headers, 'x-mcp-url': 'http://qlik.example.com/b' })).toBe('TARGET_NOT_ALLOWED');
    expect(refusal('/mcp', { ...headers, 'x-mcp-url': 'https://qlik.example.com./b' })).toBe('TARGET_NOT_ALLOWED');
    expect(refusal('/mcp', { ...headers, 'x-mcp-url': 'https://qlik.example.com:8443/b' })).toBe('TARGET_NOT_ALLOWED');
  });

  it('a URL never means tools that live here, though their vendor shares its origin with a server', () => {
    const url = { 'x-mcp-url': 'https://ai.example.com/mcp' };
    expect(decide('/mcp', url)).toMatchObject({ destination: 'ai', by: 'url' });
    expect(refusal('/mcp', { ...url, 'x-mcp-destination': 'built-in' })).toBe('TARGET_NOT_ALLOWED');
    expect(decide('/mcp/built-in')).toMatchObject({ destination: 'built-in', by: 'path' });
  });

  it('alone, means the one destination that lists it', () => {
    expect(decide('/mcp', { 'x-mcp-url': 'https://eu.example.com/x' })).toMatchObject({
      destination: 'qlik',
      by: 'url',
    });
    expect(refusal('/mcp', { 'x-mcp-url': 'https://shared.example.com/' })).toBe('AMBIGUOUS_TARGET_URL');
    expect(refusal('/mcp', { 'x-mcp-url': 'https://nobody.example/' })).toBe('TARGET_NOT_ALLOWED');
    expect(refusal('/mcp', { 'x-mcp-url': 'http://localhost:8080/' })).toBe('TARGET_NOT_ALLOWED');
  });

  it.each([
    '/relative',
    'ftp://qlik.example.com/',
    'file:///etc/passwd',
    'https://user:pw@qlik.example.com/',
    'https://qlik.example.com/#x',
    'https://',
  ])('%s is refused', (url) => {
    expect(refusal('/mcp', { 'x-btp-destination': 'qlik', 'x-mcp-url': url })).toBe('INVALID_TARGET_URL');
  });

  it('never shows the password it carried', () => {
    expect(() => decide('/mcp', { 'x-mcp-url': 'https://user:hunter2@x.example/' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});

describe('when nothing selects a destination', () => {
  it('the web destination gets it, where one is configured', () => {
    const table = { passthrough: 'site' };
    expect(decide('/mcp', {}, table)).toEqual({ strategy: 'PASSTHROUGH', destination: 'site', by: 'passthrough' });
    expect(decide('/any/path', {}, table)).toMatchObject({ strategy: 'PASSTHROUGH' });
    expect(decide('/mcp/ai', {}, table)).toMatchObject({ strategy: 'PROXY', destination: 'ai' });
  });

  it('else the caller is told what to send', () => {
    expect(refusal('/mcp')).toBe('NO_DESTINATION');
    expect(refusal('/any/path')).toBe('NOT_FOUND');
  });

  it('an MCP destination is not served outside /mcp', () => {
    expect(refusal('/any/path', { 'x-btp-destination': 'ai' })).toBe('NOT_FOUND');
    expect(decide('/any/path', { 'x-btp-destination': 'site' })).toMatchObject({ strategy: 'PASSTHROUGH' });
  });
});
