import { setTimeout as sleep } from 'node:timers/promises';
import { call, callTool } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient } from '../helpers/raw.js';
import { hang, json, sse, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const DRAIN_MS = 1000;

describe('a stop', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge;

  beforeEach(async () => {
    upstream = await startUpstream(json({}));
    drawbridge = await startDrawbridge({
      server: { defaultDestination: 'slow', drainMs: DRAIN_MS },
      destinations: { slow: { kind: 'http', url: upstream.url } },
    });
  });
  afterEach(async () => {
    await drawbridge?.stop('SIGKILL');
    await upstream?.close();
  });

  const drains = () => drawbridge.record(({ signal }) => signal === 'server.draining');
  const stopped = () => drawbridge.records().find(({ signal }) => signal === 'server.stopped');

  /** Nobody else comes, so that this doesn't take the whole grace. */
  async function untilClosed(): Promise<void> {
    for (;;) {
      const refused = await RawClient.open(drawbridge.port).then(
        (client) => client.destroy(),
        ({ code }) => code === 'ECONNREFUSED',
      );
      if (refused) return;
      await sleep(150);
    }
  }

  /** A connection on which a request has begun and not ended. */
  async function halfAsked(rest: string): Promise<{ client: RawClient; finish(): void }> {
    const client = await RawClient.open(drawbridge.port);
    client.send(`${rest.split('\n')[0]}\r\nHost: 127.0.0.1:${drawbridge.port}\r\n`);
    return { client, finish: () => client.send(`${rest.split('\n').slice(1).join('\r\n')}\r\n\r\n`) };
  }

  it('answers on a connection that was open already and had said nothing yet', async () => {
    const client = await RawClient.open(drawbridge.port);
    const exited = drawbridge.stop('SIGTERM');
    await drains();
    client.send(`GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1:${drawbridge.port}\r\n\r\n`);
    expect((await client.answer()).status).toBe(503);
    expect((await exited).code).toBe(0);
  });

  it('lets a running call finish, refuses what comes then, and ends with 0', async () => {
    let finish = () => {};
    upstream.handler = (seen, response, incoming) => {
      finish = () => void json({ done: true })(seen, response, incoming);
    };
    const running = callTool(`${drawbridge.url}/mcp`, 'slow');
    const [late, probe] = await Promise.all([
      halfAsked('POST /mcp HTTP/1.1\nContent-Type: application/json\nContent-Length: 0'),
      halfAsked('GET /health/ready HTTP/1.1\n'),
    ]);
    await upstream.arrived(1);
    const exited = drawbridge.stop('SIGTERM');
    await drains();

    late.finish();
    const refusal = await late.client.answer();
    expect([refusal.status, refusal.header('retry-after'), refusal.header('connection')]).toEqual([503, '1', 'close']);
    expect(JSON.parse(refusal.body.toString()).error.data.code).toBe('DRAINING');
    probe.finish();
    const readiness = await probe.client.answer();
    expect([readiness.status, JSON.parse(readiness.body.toString()).status]).toEqual([503, 'draining']);
    await untilClosed();

    finish();
    expect((await running).text).toContain('"done":true');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(stopped()).toMatchObject({ clean: true });
  });

  it('resets nobody who comes just then: each is refused with words, and readiness is red before the port is closed', async () => {
    upstream.handler = hang();
    const left = callTool(`${drawbridge.url}/mcp`, 'slow').catch(() => 'cut off');
    await upstream.arrived(1);
    const exited = drawbridge.stop('SIGTERM');
    const ask = (path: string, method: string) =>
      fetch(`${drawbridge.url}${path}`, { method }).then(
        ({ status, headers }) => `${status} ${headers.get('connection')}`,
        ({ cause }) => String(cause.code),
      );
    const answers: string[] = [];
    let ready: string;
    do {
      ready = await ask('/health/ready', 'GET');
      // A signal takes its time.
      if (ready.startsWith('503')) answers.push(await ask('/mcp', 'POST'));
    } while (ready !== 'ECONNREFUSED');
    // Since somebody always comes, the port is closed when the grace is over.
    expect(answers.length).toBeGreaterThan(20);
    expect(answers.filter((answer) => answer !== '503 close' && answer !== 'ECONNREFUSED')).toEqual([]);
    await exited;
    expect(await left).toBe('cut off');
  });

  it('cuts an event stream after drainMs, at both ends', async () => {
    upstream.handler = sse([{ data: 'first' }], { open: true });
    const client = await RawClient.open(drawbridge.port);
    client.send(`GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
    await client.receives('first');
    const begun = Date.now();
    expect(await drawbridge.stop('SIGINT')).toEqual({ code: 1, signal: null });
    expect(Date.now() - begun).toBeGreaterThanOrEqual(DRAIN_MS);
    await client.gone();
    // The last chunk of a chunked body never came: the caller can't take the part for the whole.
    expect(client.pending.toString()).not.toContain('0\r\n\r\n');
    await (await upstream.arrived(1)).closed;
    expect(stopped()).toMatchObject({ clean: false, cutCalls: 0, cutStreams: 1 });
  });

  it('does not wait for a connection whose answer began before it', async () => {
    let end = () => {};
    upstream.handler = (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n');
      end = () => void response.end('data: last\n\n');
    };
    const client = await RawClient.open(drawbridge.port);
    client.send(`GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await client.receives('first');
    const exited = drawbridge.stop('SIGTERM');
    await drains();
    end();
    await client.receives('0\r\n\r\n');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(stopped()).toMatchObject({ clean: true });
  });

  it('does not wait for a connection that was opened ahead and never used', async () => {
    const client = await RawClient.open(drawbridge.port);
    await callTool(`${drawbridge.url}/mcp`, 'quick');
    expect(await drawbridge.stop()).toEqual({ code: 0, signal: null });
    await client.gone();
    expect(stopped()).toMatchObject({ clean: true });
  });

  it('ends at once at a second signal', async () => {
    upstream.handler = hang();
    const left = callTool(`${drawbridge.url}/mcp`, 'slow').catch(() => 'cut off');
    await upstream.arrived(1);
    const exited = drawbridge.stop('SIGTERM');
    await drains();
    process.kill(drawbridge.pid, 'SIGTERM');
    expect(await exited).toEqual({ code: 1, signal: null });
    expect(await left).toBe('cut off');
    expect(drawbridge.records().at(-1)).toMatchObject({ signal: 'server.cut', calls: 1, streams: 0 });
    expect(stopped()).toBeUndefined();
  });
});

describe('a start', () => {
  let upstream: Upstream;

  beforeEach(async () => {
    upstream = await startUpstream(json({ tools: [] }));
  });
  afterEach(() => upstream.close());

  it('says in one line that the port is in use, and ends with 1', async () => {
    const destinations = { demo: { kind: 'demo' } };
    const run = await runDrawbridge({ destinations }, ['--port', String(upstream.port)]);
    expect(await run.exited).toEqual({ code: 1, signal: null });
    expect(run.stderr()).toBe('the port is in use: choose another with --port, or 0 for any free one\n');
  });

  it('needs no configuration where flags say enough', async () => {
    const drawbridge = await startDrawbridge(null, { args: ['--target-url', upstream.url] });
    const { text } = await call(`${drawbridge.url}/mcp`, 'tools/list').finally(drawbridge.stop);
    expect(text).toContain('"tools":[]');
  });
});
