import type { Reply } from '../../src/contracts.js';
import { createMeter } from '../../src/gateway/meter.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { FakeClock, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { jsonReply, streamReply, textOf } from './resultCacheWorld.js';

const GOOD = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}';
const BAD = {
  'a JSON-RPC error': '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool"}}',
  "a tool's own error, as the SDK says that there is no such tool":
    '{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}',
  'no JSON': '<html>',
  nothing: '',
};

describe('the meter', () => {
  /** Whether a tool is counted by name after the reply was read. */
  function named(reply: Reply, read = true): boolean {
    const metrics = new Metrics({ maxDestinations: 10, maxTools: 10, maxTenants: 10 }, new FakeClock(), '');
    const exchange = fakeExchange(fakeInbound('/mcp'), { call: fakeCall('tools/call', 'echo') });
    const passed = createMeter(metrics).answered(exchange, reply);
    if (read) expect(textOf(passed)).toBe(textOf(reply));
    return !metrics.isNewTool(exchange);
  }
  const events = (text: string) => [
    ': hello\n\n',
    `id: 1\ndata: {"method":"notifications/progress"}\n\ndata: ${text}\n\n`,
  ];

  it('names a tool that answers well, in JSON, in pieces and in events', () => {
    expect(named(jsonReply(GOOD))).toBe(true);
    expect(named(streamReply([GOOD.slice(0, 9), GOOD.slice(9)], 'application/json'))).toBe(true);
    expect(named(streamReply(events(GOOD)))).toBe(true);
  });

  it.each(Object.entries(BAD))('names no tool for %s', (_what, text) => {
    expect(named(jsonReply(text))).toBe(false);
    expect(named(streamReply(events(text)))).toBe(false);
  });

  it('names no tool for an answer that broke off, is refused, compressed or too large', () => {
    expect(named(streamReply([GOOD], 'application/json', true))).toBe(false);
    expect(named(jsonReply(GOOD, [], 404))).toBe(false);
    expect(named(jsonReply(GOOD, ['Content-Encoding', 'gzip']))).toBe(false);
    const large = GOOD.replace('[]', JSON.stringify(['x'.repeat(300_000)]));
    expect(named(jsonReply(large))).toBe(false);
    expect(named(streamReply([large], 'application/json'))).toBe(false);
  });

  it('leaves the answers of a tool that it knows alone', () => {
    const metrics = new Metrics({ maxDestinations: 10, maxTools: 10, maxTenants: 10 }, new FakeClock(), '');
    const exchange = fakeExchange(fakeInbound('/mcp'), { call: fakeCall('tools/call', 'echo') });
    const meter = createMeter(metrics);
    const first = streamReply([GOOD], 'application/json');
    const overheard = meter.answered(exchange, first);
    expect(overheard).not.toBe(first);
    textOf(overheard);
    expect(meter.answered(exchange, first)).toBe(first);
  });
});
