// What counting one exchange costs, and what the same would cost by prom-client's own labelled counters.
import { build } from 'esbuild';
import prom from 'prom-client';

const EXCHANGES = 2_000_000;

const { outputFiles } = await build({
  entryPoints: ['src/telemetry/metrics.ts'],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
});
const { Metrics } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const clock = { monotonic: () => performance.now() };
const metrics = new Metrics({ maxDestinations: 500, maxTools: 50, maxTenants: 100 }, clock, '0.0.0');
const exchanges = ['alpha', 'beta', 'gamma'].flatMap((destination) =>
  [
    ['tools/call', 'echo'],
    ['tools/call', 'search'],
    ['tools/list', undefined],
  ].map(([method, name]) => ({
    request: { method: 'POST' },
    call: { kind: 'request', method, name },
    decision: { strategy: 'PROXY', destination },
    route: { destination },
    costs: { attempts: 1 },
    startedAt: performance.now(),
  })),
);
for (const exchange of exchanges) if (exchange.call.name) metrics.nameTool(exchange);

function ours(exchange) {
  metrics.began();
  if (metrics.isNewTool(exchange)) throw new Error('the tools are known');
  metrics.answered(exchange, 200);
  metrics.ended(exchange, 'complete', 200);
}

const registers = [new prom.Registry()];
const counter = (name, labelNames) => new prom.Counter({ name, help: name, labelNames, registers });
const histogram = (name, labelNames) => new prom.Histogram({ name, help: name, labelNames, registers });
const requests = counter('requests', ['strategy', 'destination', 'method', 'status', 'outcome']);
const tools = counter('tools', ['destination', 'tool', 'status']);
const toolSeconds = counter('tool_seconds', ['destination', 'tool']);
const attempts = counter('attempts', ['destination']);
const http = histogram('http', ['destination', 'http_method']);
const operations = histogram('operations', ['destination', 'method']);

function theirs({ route: { destination }, call: { method, name }, startedAt }) {
  const seconds = (clock.monotonic() - startedAt) / 1000;
  requests.inc({ strategy: 'PROXY', destination, method, status: '2xx', outcome: 'complete' });
  attempts.inc({ destination });
  http.observe({ destination, http_method: 'POST' }, seconds);
  operations.observe({ destination, method }, seconds);
  if (!name) return;
  tools.inc({ destination, tool: name, status: '2xx' });
  toolSeconds.inc({ destination, tool: name }, seconds);
}

function nothing({ startedAt }) {
  return clock.monotonic() - startedAt;
}

for (const round of [1, 2, 3]) {
  for (const [name, count] of Object.entries({ 'the clock alone': nothing, ours, 'prom-client': theirs })) {
    const start = process.cpuUsage();
    for (let i = 0; i < EXCHANGES; i += 1) count(exchanges[i % exchanges.length]);
    const { user, system } = process.cpuUsage(start);
    const each = Math.round(((user + system) * 1000) / EXCHANGES);
    process.stdout.write(`round ${round}  ${name.padEnd(16)} ${each} ns per exchange\n`);
  }
}
