import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBody } from '../../src/wire/body.js';
import { InboundMessage } from '../../src/wire/inboundMessage.js';

const LIMIT = 100_000;

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** A body that is read as soon as its head is there, and sent back. */
const echo: Serve = (request, response) => {
  readBody(request, LIMIT, (bytes) => response.end(bytes)).catch((error: Error) => {
    response.writeHead(413).end(error.message);
    request.resume();
  });
};

const servers: http.Server[] = [];
const sockets: net.Socket[] = [];

async function listen(serve: Serve): Promise<number> {
  const server = http.createServer({ IncomingMessage: InboundMessage, keepAliveTimeout: 5_000 }, serve);
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A connection on which bytes are written as they are wanted, and all that comes back. */
async function dial(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  const until = async (text: string, times = 1) => {
    while (heard.split(text).length <= times) await sleep(2);
    return heard;
  };
  return { socket, until };
}

function post(body: string, headers = ''): string {
  return `POST / HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('a body that is taken from the parser', () => {
  it('never was in a stream', async () => {
    const requests: IncomingMessage[] = [];
    const { socket, until } = await dial(
      await listen((request, response) => {
        requests.push(request);
        echo(request, response);
      }),
    );
    socket.write(post('whole'));
    await until('whole');
    expect(requests[0]?.readableFlowing).toBeNull();
  });

  it('is the same in whatever pieces it comes', async () => {
    const { socket, until } = await dial(await listen(echo));
    for (const char of post('piece by piece')) {
      socket.write(char);
      await sleep(1);
    }
    expect(await until('piece by piece')).toContain('200 OK');
    socket.write(
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nin ch\r\n4\r\nunks\r\n0\r\nX-Sum: 9\r\n\r\n',
    );
    expect(await until('in chunks')).toContain('200 OK');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    await until('200 OK', 3);
  });

  it('belongs to its own request, where several come at once', async () => {
    const { socket, until } = await dial(await listen(echo));
    socket.write(['one', 'two', 'three'].map((body) => post(body)).join(''));
    const heard = await until('three');
    expect(heard.match(/one|two|three/g)).toEqual(['one', 'two', 'three']);
  });

  it('may be as large as its limit and no larger; the connection serves on', async () => {
    const { socket, until } = await dial(await listen(echo));
    socket.write(post('x'.repeat(LIMIT)));
    expect(await until('x'.repeat(LIMIT))).toContain('200 OK');
    socket.write(post('y'.repeat(LIMIT * 20)));
    expect(await until(`larger than ${LIMIT} bytes`)).not.toContain('yy');
    socket.write(post('after that'));
    await until('after that');
  });

  it.each([
    ['its connection is lost', 'Content-Length: 9\r\n\r\nhalf'],
    ['it is no HTTP', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno length\r\n'],
  ])('that breaks off since %s is told to whoever reads it', async (_, said) => {
    const outcomes: unknown[] = [];
    const keep = (outcome: unknown) => void outcomes.push(outcome);
    const port = await listen((request) => void readBody(request, LIMIT, () => 'whole').then(keep, keep));
    const { socket } = await dial(port);
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${said}`);
    await sleep(20);
    socket.destroy();
    while (outcomes.length === 0) await sleep(2);
    expect(outcomes).toMatchObject([{ code: 'CALLER_LEFT' }]);
  });

  it.each([
    ['at once', 0],
    ['late', 30],
  ])('that is too large is used by nobody, however good its beginning is: read %s', async (_, ms) => {
    let used = 0;
    const port = await listen((request, response) => {
      const read = () =>
        void readBody(request, LIMIT, () => {
          used += 1;
          response.end();
        }).catch(() => {
          response.writeHead(413).end();
          request.resume();
        });
      if (ms === 0) read();
      else setTimeout(read, ms);
    });
    const { socket, until } = await dial(port);
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${LIMIT * 3}\r\n\r\n{"jsonrpc":"2.0"}`);
    await sleep(50);
    socket.write(' '.repeat(LIMIT * 3 - '{"jsonrpc":"2.0"}'.length));
    socket.write(post('small'));
    await until('HTTP/1.1', 2);
    expect(used).toBe(1);
  });

  it('is read like any stream where some of it has come before anybody asked', async () => {
    const late: Serve = (request, response) => void setTimeout(() => echo(request, response), 30);
    const { socket, until } = await dial(await listen(late));
    socket.write(post('came early'));
    await until('came early');
    socket.write(post('z'.repeat(LIMIT + 1)));
    await until(`larger than ${LIMIT} bytes`);
    socket.write(post('and again'));
    await until('and again');
  });

  it('and its request are let go of with the answer, though the connection stays', async () => {
    const requests: IncomingMessage[] = [];
    const port = await listen((request, response) => {
      requests.push(request);
      echo(request, response);
    });
    const { socket, until } = await dial(port);
    socket.write(post('gone'));
    await until('gone');
    await sleep(10);
    const [request] = requests as [IncomingMessage];
    expect(request.readableEnded).toBe(true);
    const { parser } = request.socket as unknown as { parser: { incoming: unknown } };
    expect(parser.incoming).toBeNull();
  });
});

it('what nobody takes is a stream as Node has it', async () => {
  const port = await listen((request, response) => void request.pipe(response));
  const { socket, until } = await dial(port);
  socket.write(post('through and through'));
  await until('through and through');
  socket.write(post('and unread ones don’t stand in the way'.replace('’', "'")));
  await until('stand in the way');
});
