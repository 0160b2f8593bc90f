import { callTool } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient } from '../helpers/raw.js';
import { hang, sse, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

describe('a long drain', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge;

  beforeAll(async () => {
    upstream = await startUpstream(hang());
    drawbridge = await startDrawbridge({
      server: { defaultDestination: 'slow', drainMs: 5000 },
      destinations: { slow: { kind: 'http', url: upstream.url } },
    });
  });
  afterAll(async () => {
    await drawbridge?.stop('SIGKILL');
    await upstream?.close();
  });

  it('says every few seconds what still runs, and at the end what it cut', async () => {
    const call = callTool(`${drawbridge.url}/mcp`, 'slow').catch(() => 'cut off');
    await upstream.arrived(1);
    upstream.handler = sse([{ data: 'first' }], { open: true });
    const listener = await RawClient.open(drawbridge.port);
    listener.send('GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await listener.receives('first');

    const exited = drawbridge.stop('SIGTERM');
    const began = await drawbridge.record(({ signal }) => signal === 'server.draining');
    expect(began).toMatchObject({ drainMs: 5000, calls: 1, streams: 1 });
    const first = await drawbridge.record(({ signal }) => signal === 'server.still-draining');
    expect(first).toMatchObject({ calls: 1, streams: 1 });
    expect(first.leftMs).toBeGreaterThan(2000);
    expect(first.leftMs).toBeLessThan(4000);
    listener.destroy();
    const second = await drawbridge.record(
      ({ signal, streams }) => signal === 'server.still-draining' && streams === 0,
    );
    expect(second).toMatchObject({ calls: 1 });

    expect(await exited).toEqual({ code: 1, signal: null });
    expect(await call).toBe('cut off');
    const stopped = drawbridge.records().find(({ signal }) => signal === 'server.stopped');
    expect(stopped).toMatchObject({ clean: false, cutCalls: 1, cutStreams: 0 });
  });
});
