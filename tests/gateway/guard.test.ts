import type { Reply } from '../../src/contracts.js';
import { createGuard, type GuardOptions, isLoopbackBind } from '../../src/gateway/guard.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

const passed: Reply = { status: 299, headers: [], body: null, origin: 'gateway' };

function guarded(
  headers: Record<string, string>,
  options: Partial<GuardOptions> = {},
  method = 'POST',
  target = '/mcp',
) {
  const guard = createGuard({ host: '127.0.0.1', allowedHosts: [], allowedOrigins: [], ...options }, () => false);
  try {
    return (guard(fakeExchange(fakeInbound(target, headers, method)), () => passed) as Reply).status;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('Host', () => {
  it.each(['localhost', 'localhost:3001', '127.0.0.1:9', '[::1]', '[::1]:3001', 'LOCALHOST:1'])(
    '%s is loopback',
    (host) => {
      expect(guarded({ host })).toBe(299);
    },
  );

  it.each(['evil.example', 'localhost.evil.example', 'localhost.', 'evil.example:3001', '127.0.0.1.nip.io', ''])(
    '%j is refused',
    (host) => {
      expect(guarded({ host })).toBe('HOST_NOT_ALLOWED');
    },
  );

  it('missing or said twice is not HTTP', () => {
    expect(guarded({})).toBe('MALFORMED_HTTP');
    expect(guarded({ host: 'localhost', Host: 'localhost' })).toBe('MALFORMED_HTTP');
    expect(guarded({ host: 'localhost' }, {}, 'GET', 'http://evil.example/mcp')).toBe('MALFORMED_HTTP');
  });

  it('beyond loopback, is the public one or a listed one', () => {
    const options = {
      host: '0.0.0.0',
      publicUrl: new URL('https://mcp.example.com'),
      allowedHosts: ['Inside.example:8080'],
    };
    expect(guarded({ host: 'mcp.example.com' }, options)).toBe(299);
    expect(guarded({ host: 'inside.example:8080' }, options)).toBe(299);
    expect(guarded({ host: 'inside.example:8081' }, options)).toBe('HOST_NOT_ALLOWED');
    expect(guarded({ host: 'localhost' }, options)).toBe('HOST_NOT_ALLOWED');
    expect(guarded({ host: 'anything' }, { ...options, allowedHosts: ['*'] })).toBe(299);
  });
});

describe('Origin', () => {
  const host = 'localhost:3001';

  it.each(['http://localhost:5173', 'https://127.0.0.1', 'http://[::1]:80'])('%s is loopback', (origin) => {
    expect(guarded({ host, origin })).toBe(299);
  });

  it.each([
    'https://evil.example',
    'null',
    'http://localhost.evil.example',
    'vscode-webview://x',
    'http://localhost:5173/',
    '',
  ])('%j is refused', (origin) => {
    expect(guarded({ host, origin })).toBe('ORIGIN_NOT_ALLOWED');
  });

  it('may be listed', () => {
    expect(guarded({ host, origin: 'https://app.example' }, { allowedOrigins: ['https://app.example'] })).toBe(299);
    expect(guarded({ host, origin: 'https://any.example' }, { allowedOrigins: ['*'] })).toBe(299);
  });
});

describe('a preflight', () => {
  it('is answered, with what MCP needs and nothing else', () => {
    const guard = createGuard({ host: '127.0.0.1', allowedHosts: [], allowedOrigins: [] }, () => false);
    const headers = {
      host: 'localhost',
      origin: 'http://localhost:5173',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type, Mcp-Param-Region, x-btp-destination, x-evil',
    };
    const reply = guard(fakeExchange(fakeInbound('/mcp', headers, 'OPTIONS')), () => passed) as Reply;
    expect(reply.status).toBe(204);
    expect(reply.headers).toContain('content-type, mcp-param-region, x-btp-destination');
  });

  it('of a foreign origin is refused', () => {
    const headers = { host: 'localhost', origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    expect(guarded(headers, {}, 'OPTIONS')).toBe('ORIGIN_NOT_ALLOWED');
  });
});

describe('a process that stops', () => {
  it('refuses new work', () => {
    const guard = createGuard({ host: '127.0.0.1', allowedHosts: [], allowedOrigins: [] }, () => true);
    expect(() => guard(fakeExchange(fakeInbound('/mcp', { host: 'localhost' })), () => passed)).toThrow(
      expect.objectContaining({ code: 'DRAINING', retryAfter: 1 }),
    );
  });
});

describe('isLoopbackBind', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('%s', (host) => expect(isLoopbackBind(host)).toBe(true));
  it.each(['0.0.0.0', '::', '192.168.1.1', '127.evil.example'])('not %s', (host) =>
    expect(isLoopbackBind(host)).toBe(false),
  );
});
