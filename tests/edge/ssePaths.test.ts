import { asMcpTarget, messagesPathOf, sessionIdOf, sseWay } from '../../src/edge/ssePaths.js';
import { splitTarget } from '../../src/wire/paths.js';
import { fakeInbound } from '../helpers/fakes.js';

const wayOf = (method: string, url: string, headers: Record<string, string> = {}, atRoot = false) =>
  sseWay(splitTarget(url)[0], { method, url, headers }, atRoot);

describe('the paths of HTTP+SSE', () => {
  it.each([
    ['GET', '/sse', 'sse'],
    ['GET', '/sse/', 'sse'],
    ['GET', '/sse/old?team=blue', 'sse'],
    ['GET', '/mcp/events', 'sse'],
    ['DELETE', '/sse', 'sse'],
    ['POST', '/messages?sessionId=1', 'message'],
    ['OPTIONS', '/messages?sessionId=1', 'sse'],
    ['POST', '/mcp/messages', 'message'],
    ['POST', '/messages', undefined],
    ['POST', '/messages?session=1', undefined],
    ['GET', '/', undefined],
    ['GET', '/sses', undefined],
    ['POST', '/mcp', undefined],
    ['POST', '/mcp/old', undefined],
    ['GET', '/mcp/sse', undefined],
    ['POST', '/messages/old?sessionId=1', undefined],
  ] as const)('%s %s: %s', (method, url, way) => {
    expect(wayOf(method, url)).toBe(way);
  });

  it('may be at the root, for a GET', () => {
    expect(wayOf('GET', '/', {}, true)).toBe('sse');
    expect(wayOf('POST', '/', {}, true)).toBeUndefined();
    expect(wayOf('GET', '/index.html', {}, true)).toBeUndefined();
  });

  it('name the session in the query or a header', () => {
    expect(wayOf('POST', '/messages', { 'x-session-id': '1' })).toBe('message');
    expect(sessionIdOf(fakeInbound('/messages?a=1&sessionId=2', { 'x-session-id': '3' }))).toBe('2');
    expect(sessionIdOf(fakeInbound('/messages', { 'x-session-id': '3' }))).toBe('3');
    expect(sessionIdOf(fakeInbound('/messages'))).toBeUndefined();
  });

  it('lead where those of Streamable HTTP lead', () => {
    expect(asMcpTarget('/sse')).toBe('/mcp');
    expect(asMcpTarget('/')).toBe('/mcp');
    expect(asMcpTarget('/mcp/events?a=1')).toBe('/mcp?a=1');
    expect(asMcpTarget('/sse/old?a=1')).toBe('/mcp/old?a=1');
    expect(asMcpTarget('/sse/a/b')).toBe('/mcp/a/b');
    expect([messagesPathOf('/sse/old'), messagesPathOf('/'), messagesPathOf('/mcp/events?a=1')]).toEqual([
      '/messages',
      '/messages',
      '/mcp/messages',
    ]);
  });
});
