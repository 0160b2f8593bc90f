import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Reply, Sink } from '../../src/contracts.js';
import { respond } from '../../src/edge/respond.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

/** Timers of this process that keep it alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

describe('respond', () => {
  it('holds nothing for a caller that has left, whatever the upstream still has to say', async () => {
    let sink: Sink | undefined;
    const body = (given: Sink) => {
      sink = given;
      return { resume() {}, cancel() {} };
    };
    const reply: Reply = { status: 200, headers: ['content-type', 'text/event-stream'], body, origin: 'upstream' };
    const server = http.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const caller = net.connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
    caller.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [, response] = (await once(server, 'request')) as [http.IncomingMessage, http.ServerResponse];
    await respond(response, reply, fakeExchange(fakeInbound('/mcp')));
    const left = new Promise((resolve) => response.once('close', resolve));
    caller.destroy();
    await left;
    const before = timers();
    for (let turn = 0; turn < 50; turn++) sink?.write(Buffer.alloc(64 * 1024));
    expect(sink).toBeDefined();
    expect(timers()).toBe(before);
    server.close();
    await once(server, 'close');
  });
});
