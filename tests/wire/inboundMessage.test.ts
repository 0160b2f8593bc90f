import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBody } from '../../src/wire/body.js';
import { InboundMessage } from '../../src/wire/inboundMessage.js';
import { RawClient } from '../helpers/raw.js';

const LIMIT = 100_000;
const TOO_LARGE = `the body is larger than ${LIMIT} bytes`;

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** A body that is read as soon as its head is there, and sent back. */
const echo: Serve = (request, response) => {
  readBody(request, LIMIT, (bytes) => response.end(bytes)).catch((error: Error) => {
    response.writeHead(413).end(error.message);
    request.resume();
  });
};

const servers: http.Server[] = [];
const clients: RawClient[] = [];

/** A connection to a server of its own. */
async function dial(serve: Serve): Promise<RawClient> {
  const server = http.createServer({ IncomingMessage: InboundMessage, keepAliveTimeout: 5_000 }, serve);
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const client = await RawClient.open((server.address() as AddressInfo).port);
  clients.push(client);
  return client;
}

const CHUNKED = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
const sized = (length: number) => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
const post = (body: string) => sized(body.length) + body;

/** Status and body of the next answer. */
async function answerOf(client: RawClient): Promise<readonly [number, string]> {
  const { status, body } = await client.answer();
  return [status, body.toString()];
}

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('a body that is taken from the parser', () => {
  it('never was in a stream', async () => {
    const requests: IncomingMessage[] = [];
    const client = await dial((request, response) => {
      requests.push(request);
      echo(request, response);
    });
    client.send(post('whole'));
    expect(await answerOf(client)).toEqual([200, 'whole']);
    expect(requests[0]?.readableFlowing).toBeNull();
  });

  it('is the same in whatever pieces it comes', async () => {
    const client = await dial(echo);
    for (const char of post('piece by piece')) {
      client.send(char);
      await sleep(1);
    }
    expect(await answerOf(client)).toEqual([200, 'piece by piece']);
    client.send(`${CHUNKED}5\r\nin ch\r\n4\r\nunks\r\n0\r\nX-Sum: 9\r\n\r\n`);
    expect(await answerOf(client)).toEqual([200, 'in chunks']);
    client.send(post(''));
    expect(await answerOf(client)).toEqual([200, '']);
  });

  it('belongs to its own request, where several come at once', async () => {
    const client = await dial(echo);
    const bodies = ['one', 'two', 'three'];
    client.send(bodies.map(post).join(''));
    for (const body of bodies) expect(await answerOf(client)).toEqual([200, body]);
  });

  it('waits for what comes together with it, so that they go on together', async () => {
    const steps: string[] = [];
    const client = await dial((request, response) => {
      steps.push('came');
      void readBody(request, LIMIT, (bytes) => {
        steps.push(`${bytes} is used`);
        response.end(bytes);
      });
    });
    client.send(post('one') + post('two'));
    expect([await answerOf(client), await answerOf(client)]).toEqual([
      [200, 'one'],
      [200, 'two'],
    ]);
    expect(steps).toEqual(['came', 'came', 'one is used', 'two is used']);
  });

  it('may be as large as its limit and no larger; the connection serves on', async () => {
    const client = await dial(echo);
    client.send(post('x'.repeat(LIMIT)));
    expect(await answerOf(client)).toEqual([200, 'x'.repeat(LIMIT)]);
    client.send(post('y'.repeat(LIMIT * 20)));
    expect(await answerOf(client)).toEqual([413, TOO_LARGE]);
    client.send(post('after that'));
    expect(await answerOf(client)).toEqual([200, 'after that']);
  });

  it.each([
    ['its connection is lost', `${sized(9)}half`],
    ['it is no HTTP', `${CHUNKED}4\r\nhalf\r\nno length\r\n`],
  ])('that breaks off since %s is told to whoever reads it', async (_, said) => {
    const outcomes: unknown[] = [];
    const keep = (outcome: unknown) => void outcomes.push(outcome);
    const client = await dial((request) => void readBody(request, LIMIT, () => 'whole').then(keep, keep));
    client.send(said);
    await sleep(20);
    client.destroy();
    while (outcomes.length === 0) await sleep(2);
    expect(outcomes).toMatchObject([{ code: 'CALLER_LEFT' }]);
  });

  it('is whole for whoever reads it, though it was answered before its end', async () => {
    const bodies: string[] = [];
    const client = await dial((request, response) => {
      void readBody(request, LIMIT, (bytes) => bodies.push(bytes.toString()));
      response.end('early');
    });
    client.send(`${sized(10)}first`);
    expect(await answerOf(client)).toEqual([200, 'early']);
    client.send('_then');
    while (bodies.length === 0) await sleep(2);
    expect(bodies).toEqual(['first_then']);
  });

  it.each([
    ['at once', 0],
    ['late', 30],
  ])('that is too large is used by nobody, however good its beginning is: read %s', async (_, ms) => {
    let used = 0;
    const client = await dial((request, response) => {
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
    const beginning = '{"jsonrpc":"2.0"}';
    client.send(sized(LIMIT * 3) + beginning);
    await sleep(50);
    client.send(' '.repeat(LIMIT * 3 - beginning.length) + post('small'));
    expect([(await client.answer()).status, (await client.answer()).status]).toEqual([413, 200]);
    expect(used).toBe(1);
  });

  it('is read like any stream where some of it has come before anybody asked', async () => {
    const client = await dial((request, response) => void setTimeout(() => echo(request, response), 30));
    client.send(post('came early'));
    expect(await answerOf(client)).toEqual([200, 'came early']);
    client.send(post('z'.repeat(LIMIT + 1)));
    expect(await answerOf(client)).toEqual([413, TOO_LARGE]);
    client.send(post('and again'));
    expect(await answerOf(client)).toEqual([200, 'and again']);
  });

  it('and its request are let go of with the answer, though the connection stays', async () => {
    const requests: IncomingMessage[] = [];
    const client = await dial((request, response) => {
      requests.push(request);
      echo(request, response);
    });
    client.send(post('gone'));
    expect(await answerOf(client)).toEqual([200, 'gone']);
    await sleep(10);
    const [request] = requests as [IncomingMessage];
    expect(request.readableEnded).toBe(true);
    const { parser } = request.socket as unknown as { parser: { incoming: unknown } };
    expect(parser.incoming).toBeNull();
  });
});

it('what nobody takes is a stream as Node has it', async () => {
  const client = await dial((request, response) => void request.pipe(response));
  client.send(post('through and through'));
  expect(await answerOf(client)).toEqual([200, 'through and through']);
  client.send(post('and the next one'));
  expect(await answerOf(client)).toEqual([200, 'and the next one']);
});
