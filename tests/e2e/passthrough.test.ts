import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { callTool, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { rawRequest } from '../helpers/raw.js';
import { json, type Seen, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

describe('passthrough', () => {
  let website: Upstream;
  let mcp: Upstream;
  let drawbridge: Drawbridge;
  let closed: Drawbridge;

  beforeAll(async () => {
    [website, mcp] = await Promise.all([startUpstream(status(200)), startUpstream(json({}))]);
    const web = { kind: 'web', url: website.origin };
    const http = { kind: 'http', url: mcp.url };
    const server = { passthrough: 'web', drainMs: 300 };
    drawbridge = await startDrawbridge({ server, destinations: { web, mcp: http } });
    closed = await startDrawbridge({ destinations: { mcp: http } });
    echoWebSockets(website);
  });
  afterAll(async () => {
    await Promise.all([drawbridge?.stop(), closed?.stop()]);
    await Promise.all([website?.close(), mcp?.close()]);
  });

  it('passes a request and its answer unchanged, apart from our own keys', async () => {
    website.handler = (_seen, response) => {
      response.writeHead(418, "I'm a teapot", ['X-Case', 'Kept', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
      response.end('short and stout');
    };
    const lines = ['Authorization: Bearer of-the-caller', 'Cookie: a=1', 'X-CaSe: Kept', 'X-Twice: 1', 'X-Twice: 2'];
    const routing = ['x-mcp-url: ', 'X-BTP-Destination: '];
    const head = ['PUT /a%2Fb/../c?x=%20&x=2 HTTP/1.1', `Host: 127.0.0.1:${drawbridge.port}`, 'Content-Length: 4'];
    const answer = await rawRequest(drawbridge.port, [...head, ...lines, ...routing, '', 'body'].join('\r\n'));

    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([418, "I'm a teapot", 'short and stout']);
    expect(pairs(answer.lines).slice(0, 3)).toEqual(['X-Case: Kept', 'Set-Cookie: a=1', 'Set-Cookie: b=2']);
    const [seen] = website.requests as [Seen];
    expect([seen.method, seen.url, seen.body.toString()]).toEqual(['PUT', '/a%2Fb/../c?x=%20&x=2', 'body']);
    const got = pairs(seen.rawHeaders);
    expect(got).toEqual(expect.arrayContaining([head[1], ...lines]));
    expect(got.filter((line) => /^x-(btp|mcp)/i.test(line))).toEqual([]);
  });

  it('does not pass on what concerns the caller’s connection only', async () => {
    website.handler = status(200);
    const own = [
      'Connection: close, X-Foo',
      'X-Foo: 1',
      'Keep-Alive: 5',
      'TE: gzip',
      'Proxy-Authorization: Basic eA==',
    ];
    const head = ['GET /hops HTTP/1.1', `Host: 127.0.0.1:${drawbridge.port}`, ...own, '', ''];
    expect((await rawRequest(drawbridge.port, head.join('\r\n'))).status).toBe(200);
    expect(pairs((website.requests.at(-1) as Seen).rawHeaders)).toEqual([head[1], 'Connection: keep-alive']);
  });

  it.each(['200 O\x01K', '099 Low', '000 None'])('outlives a website that answers %j', async (line) => {
    website.handler = (seen) => void seen.socket.end(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\n\r\n`);
    const ask = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${drawbridge.port}\r\n\r\n`;
    const odd = await rawRequest(drawbridge.port, ask);
    expect([odd.status, JSON.parse(odd.body.toString()).error.code]).toEqual([502, 'UPSTREAM_GARBAGE']);
    website.handler = status(204);
    expect((await rawRequest(drawbridge.port, ask)).status).toBe(204);
  });

  it('serves MCP beside it', async () => {
    const before = website.requests.length;
    expect((await callTool(`${drawbridge.url}/mcp/mcp`, 'echo')).status).toBe(200);
    expect((await callTool(`${drawbridge.url}/mcp`, 'echo', { 'x-btp-destination': 'mcp' })).status).toBe(200);
    expect([mcp.requests.length, website.requests.length]).toEqual([2, before]);
  });

  it('passes WebSockets both ways', async () => {
    const socket = new WebSocket(`${drawbridge.url.replace('http', 'ws')}/chat?room=1`, 'chat.v1');
    await once(socket, 'open');
    socket.send('Grüße');
    const [text] = await once(socket, 'message');
    socket.send(Buffer.from([0, 1, 255]));
    const [bytes, isBinary] = await once(socket, 'message');
    expect([String(text), bytes, isBinary, socket.protocol]).toEqual([
      '/chat?room=1 Grüße',
      Buffer.from([0, 1, 255]),
      true,
      'chat.v1',
    ]);
    socket.close(4001, 'enough');
    expect((await once(socket, 'close')).map(String)).toEqual(['4001', 'enough']);
  });

  it('refuses what it does not pass, and says why', async () => {
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: eA==',
    ];
    const ask = (path: string, port: number) =>
      rawRequest(port, [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...upgrade, '', ''].join('\r\n'));
    const mcpSocket = await ask('/mcp/mcp', drawbridge.port);
    const nowhere = await ask('/chat', closed.port);
    expect([mcpSocket.status, JSON.parse(mcpSocket.body.toString()).error.code]).toEqual([501, 'UPGRADE_REFUSED']);
    expect([nowhere.status, JSON.parse(nowhere.body.toString()).error.code]).toEqual([404, 'NOT_FOUND']);
    const nothing = await callTool(`${closed.url}/mcp`, 'echo');
    expect([nothing.status, codeOf(nothing)]).toEqual([400, 'NO_DESTINATION']);
  });

  it('cuts a WebSocket that outlives the drain', async () => {
    const socket = new WebSocket(`${drawbridge.url.replace('http', 'ws')}/chat`);
    await once(socket, 'open');
    const closing = once(socket, 'close');
    expect(await drawbridge.stop()).toEqual({ code: 1, signal: null });
    expect((await closing)[0]).toBe(1006);
    expect(drawbridge.records().at(-1)).toMatchObject({ signal: 'server.stopped', clean: false });
  });
});

/** Every message comes back; texts behind the path that was asked for. */
function echoWebSockets(website: Upstream): void {
  const sockets = new WebSocketServer({ server: website.server });
  sockets.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) =>
      socket.send(isBinary ? data : `${request.url} ${data}`, { binary: isBinary }),
    );
  });
}

function pairs(lines: readonly string[]): string[] {
  return lines.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${lines[index + 1]}`] : []));
}
