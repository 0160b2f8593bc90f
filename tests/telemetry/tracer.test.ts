import { OtlpExporter, type OtlpSpan } from '../../src/telemetry/otlp.js';
import { createTracer } from '../../src/telemetry/tracer.js';
import { FakeClock, FakeSignals, fakeCall, fakeExchange, fakeInbound } from '../helpers/fakes.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('a tracer', () => {
  let clock: FakeClock;
  let spans: OtlpSpan[];
  const tracer = (sampleRatio = 1) =>
    createTracer({ clock, sampleRatio, exporter: { add: (more) => void spans.push(...more) } });
  const opened = (headers: Record<string, string> = {}, ratio = 1) => {
    const exchange = fakeExchange(fakeInbound('/mcp/up', headers), { startedAt: clock.time });
    const of = tracer(ratio);
    exchange.trace = of.open(exchange);
    return { exchange, trace: exchange.trace, end: () => of.ended(exchange, 'complete', 200) };
  };

  beforeEach(() => {
    clock = new FakeClock();
    spans = [];
  });

  it('writes times as nanoseconds that lose nothing, and ends what nobody ended', () => {
    clock.time += 0.25;
    const { trace, end } = opened();
    trace?.step('left open');
    clock.time += 1.5;
    end();
    expect(spans.map(({ startTimeUnixNano, endTimeUnixNano }) => [startTimeUnixNano, endTimeUnixNano])).toEqual([
      ['1795219200000250000', '1795219200001750000'],
      ['1795219200000250000', '1795219200001750000'],
    ]);
  });

  it('keeps a step as it was when it ended first', () => {
    const { trace, end } = opened();
    const step = trace?.step('identify');
    step?.end({ a: 1 }, 'CALLER_UNKNOWN');
    clock.time += 5;
    step?.end({ a: 2 });
    end();
    expect(spans[1]).toMatchObject({
      attributes: [
        { key: 'a', value: { intValue: '1' } },
        { key: 'error.type', value: { stringValue: 'CALLER_UNKNOWN' } },
      ],
      status: { code: 2 },
    });
  });

  it('records the share of chance where nobody has decided, and nothing where the caller said no', () => {
    clock.chance = 0.3;
    opened({}, 0.3).end();
    opened({}, 0.31).end();
    expect(spans).toHaveLength(1);
    expect(opened({ traceparent: `00-${TRACE}-${SPAN}-00` }).trace).toBeUndefined();
  });

  it('takes a message at its word only before anybody was told', () => {
    const { trace, end } = opened();
    const [, line] = trace?.onwards() ?? [];
    trace?.join({ traceparent: `00-${TRACE}-${SPAN}-01` });
    end();
    expect(line).toContain(spans[0]?.traceId);
    expect(spans[0]?.links).toEqual([{ traceId: TRACE, spanId: SPAN }]);
  });

  it('lets no line into the headers that is none', () => {
    const { trace } = opened();
    trace?.join({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=b\r\nx: y', baggage: 'ü=1' });
    expect(trace?.onwards()).toEqual(['traceparent', expect.stringContaining(TRACE)]);
  });

  it('names a call as far as callers may, and bounds what they make it keep', () => {
    const { exchange, trace, end } = opened();
    exchange.call = fakeCall('tools/call', 'x'.repeat(5000));
    for (let count = 0; count < 1000; count += 1) trace?.step('one');
    end();
    expect(spans).toHaveLength(129);
    expect(spans[0]?.name).toHaveLength('tools/call '.length + 201);
  });

  it('costs a span no more than its place when the collector is gone', async () => {
    const signals = new FakeSignals();
    let asked = 0;
    const rest = async () => {
      asked += 1;
      return { status: 503, headers: {}, body: '' };
    };
    const options = { endpoint: new URL('http://localhost:1'), headers: {}, serviceName: 's', exportEveryMs: 600_000 };
    const exporter = new OtlpExporter(options, { rest, signals, version: '' });
    const { end } = opened();
    end();
    for (let count = 0; count < 10_000; count += 1) exporter.add(spans);
    await exporter.close();
    expect(asked).toBeLessThanOrEqual(2);
    expect(signals.named('traces.lost')).toHaveLength(1);
  });
});
