import { Ids, parseTraceparent, traceparent } from '../../src/telemetry/traceContext.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('a traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`00-${TRACE}-${SPAN}-02`, false],
    [`01-${TRACE}-${SPAN}-01-and-what-comes-later`, true],
  ])('%s is read', (text, sampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });

  it.each([
    undefined,
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ])('%s is none', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it('is written as it is read', () => {
    const text = traceparent({ traceId: TRACE, spanId: SPAN, sampled: true });
    expect(text).toBe(`00-${TRACE}-${SPAN}-01`);
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
  });
});

describe('ids', () => {
  it('are of their length, and none comes twice', () => {
    const ids = new Ids();
    const traces = Array.from({ length: 1000 }, () => ids.trace());
    const spans = Array.from({ length: 1000 }, () => ids.span());
    expect(new Set([...traces, ...spans]).size).toBe(2000);
    expect(traces.every((id) => /^[0-9a-f]{32}$/.test(id)) && spans.every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(
      true,
    );
  });
});
