/**
 * What is measured, by name. `kind` is the load's order, or how memory and starts are measured; `added`: the upstream
 * is far from busy, so that what a proxy adds to the direct way's latency means something.
 */
export const SCENARIOS = {
  'json-1': {
    kind: 'closed',
    workload: 'call',
    connections: 1,
    added: true,
    title: '`tools/call`, JSON of 300 B, 1 connection',
  },
  'json-32': {
    kind: 'closed',
    workload: 'call',
    connections: 32,
    quick: true,
    title: '`tools/call`, JSON of 300 B, 32 connections',
  },
  'open-1000': {
    kind: 'open',
    workload: 'call',
    connections: 32,
    rate: 1000,
    added: true,
    quick: true,
    title: '`tools/call`, JSON of 300 B, open loop at 1,000 requests per second over 32 connections',
  },
  'json-256': {
    kind: 'closed',
    workload: 'call',
    connections: 256,
    title: '`tools/call`, JSON of 300 B, 256 connections',
  },
  'json64k-32': {
    kind: 'closed',
    workload: 'call-64k',
    connections: 32,
    title: '`tools/call`, JSON of 64 KiB, 32 connections',
  },
  'sse-32': {
    kind: 'closed',
    workload: 'call-sse',
    connections: 32,
    title: '`tools/call` answered as a stream of one event, 32 connections',
  },
  'json2026-32': {
    kind: 'closed',
    workload: 'call-2026',
    connections: 32,
    title: '`tools/call` as of 2026-07-28, JSON of 300 B, 32 connections',
  },
  'list-32': { kind: 'closed', workload: 'list', connections: 32, title: '`tools/list` with 12 tools, 32 connections' },
  stream: {
    kind: 'stream',
    workload: 'progress',
    connections: 16,
    added: true,
    quick: true,
    title: '16 long SSE streams, 200 events per second each',
  },
  'idle-1000': { kind: 'idle', streams: 1000, quick: true, title: 'Memory at 1,000 idle GET streams' },
  'idle-5000': { kind: 'idle', streams: 5000, title: 'Memory at 5,000 idle GET streams' },
  'scale-64': {
    kind: 'scale',
    workload: 'call',
    connections: 64,
    title: '`--workers`: `tools/call`, JSON of 300 B, 64 connections, load and proxy sharing all cores',
  },
  start: { kind: 'start', quick: true, title: 'Start' },
};
