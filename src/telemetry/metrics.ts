import type { Clock, Exchange, McpCall, Outcome, Signals } from '../contracts.js';
import {
  add,
  collectDestination,
  collectReadings,
  DestinationCells,
  gradeOf,
  putGrades,
  type Readings,
  STATUSES,
  slotOf,
} from './destinationMetrics.js';
import { Bounded, Sheet } from './metricCells.js';
import type { MetricFamily, MetricName, Sample } from './metricsTable.js';

/** `telemetry.metrics` of the configuration, without its switch. */
export interface MetricsOptions {
  /** Names past these share one series: of destinations, of tools per destination, of tenants. */
  readonly maxDestinations: number;
  readonly maxTools: number;
  readonly maxTenants: number;
}

/** As tools are named (SEP-986), and a little beyond; others are not counted by name. */
const TOOL_NAME = /^[\w./: -]{1,128}$/;
/** What a process's coming and going adds to those that run. */
const CHILDREN: Readonly<Record<string, number>> = { 'child.started': 1, 'child.stopped': -1, 'child.lost': -1 };

const LONGEST_TENANT = 128;
const MOST_CREDENTIALS = 1_000;

/** Signals that are counted by a field of theirs. */
const COUNTED: Readonly<Record<string, readonly [MetricName, field: string, Sample['labels']]>> = {
  'attempt.repeated': ['mcp_drawbridge_retries_total', 'destination', {}],
  'attempt.replayed': ['mcp_drawbridge_replays_total', 'destination', {}],
  'attempt.budget-spent': ['mcp_drawbridge_retry_budget_exhausted_total', 'destination', {}],
  'circuit.opened': ['mcp_drawbridge_circuit_opened_total', 'destination', {}],
  'pool.member-ejected': ['mcp_drawbridge_pool_ejections_total', 'destination', {}],
  'token.acquired': ['mcp_drawbridge_token_requests_total', 'credential', { result: 'acquired' }],
  'token.refreshed': ['mcp_drawbridge_token_requests_total', 'credential', { result: 'refreshed' }],
  'token.failed': ['mcp_drawbridge_token_requests_total', 'credential', { result: 'failed' }],
  'token.rejected': ['mcp_drawbridge_tokens_rejected_total', 'credential', {}],
};

/**
 * Counts what passes and what happens. An exchange costs a few look-ups and additions when it is over; the text for
 * Prometheus is made elsewhere, when somebody asks. No label holds a secret, a subject or an argument, and no caller can
 * make more series than the bounds allow.
 */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #version: string;
  readonly #destinations: Bounded<DestinationCells>;
  readonly #tenants: Bounded<Bounded<Float64Array>>;
  /** By signal, then by the field that it is counted by. */
  readonly #signals = new Map<string, number>();
  readonly #counted = new Map<string, Bounded<{ count: number }>>();
  readonly #streaming = new Set<Exchange>();
  #active = 0;
  #auditDropped = 0;
  #spansDropped = 0;

  constructor(options: MetricsOptions, clock: Pick<Clock, 'monotonic'>, version: string) {
    this.#options = options;
    this.#clock = clock;
    this.#version = version;
    this.#destinations = new Bounded(options.maxDestinations, () => new DestinationCells(options.maxTools));
    this.#tenants = new Bounded(options.maxTenants, () => this.#perDestination());
  }

  /** Signals that are counted here on their way to `signals`. */
  listen(signals: Signals): Signals {
    return {
      enabled: (name, destination) => signals.enabled(name, destination),
      emit: (name, fields) => {
        this.#happened(name, fields);
        signals.emit(name, fields);
      },
    };
  }

  began(): void {
    this.#active += 1;
  }

  /** The head of an answer is there. */
  answered(exchange: Exchange, status: number): void {
    if (status >= 300 || !listens(exchange.call)) return;
    this.#streaming.add(exchange);
    this.#cellsOf(exchange).streams += 1;
  }

  /** True for a tool that isn't counted by name yet, and could be once it has answered well. */
  isNewTool(exchange: Exchange): boolean {
    const { call } = exchange;
    if (call?.method !== 'tools/call' || call.name === undefined) return false;
    const { tools } = this.#cellsOf(exchange);
    return tools.get(call.name) === undefined && !tools.full && TOOL_NAME.test(call.name);
  }

  /** The tool exists: from now on it is counted by name. */
  nameTool(exchange: Exchange): void {
    const { call } = exchange;
    if (call?.name !== undefined) this.#cellsOf(exchange).tools.of(call.name);
  }

  ended(exchange: Exchange, outcome: Outcome, status: number): void {
    this.#active -= 1;
    const { call, failure } = exchange;
    const cells = this.#cellsOf(exchange);
    const seconds = (this.#clock.monotonic() - exchange.startedAt) / 1000;
    const grade = gradeOf(status);
    cells.attempts += exchange.costs.attempts;
    cells.receivedBytes += call?.body?.length ?? 0;
    cells.sentBytes += exchange.costs.sentBytes;
    cells.httpOf(exchange.request.method).observe(seconds);
    const asked = call?.method ?? '';
    const method = cells.methodOf(asked);
    add(method.requests, slotOf(exchange.decision?.strategy, grade, outcome));
    if (asked !== '') method.durations.observe(seconds);
    if (asked === 'tools/call') this.#tool(cells, call?.name, grade, seconds);
    if (exchange.principal?.tenant !== undefined) this.#tenant(exchange, exchange.principal.tenant, grade);
    if (failure) this.#failed(cells, failure);
    if (this.#streaming.size > 0 && this.#streaming.delete(exchange)) cells.streams -= 1;
  }

  /** Everything that was counted, and what `readings` adds. */
  collect(readings: Readings): MetricFamily[] {
    const sheet = new Sheet();
    sheet.put('mcp_drawbridge_build_info', { version: this.#version }, 1);
    sheet.put('http_server_active_requests', {}, this.#active);
    sheet.put('mcp_drawbridge_audit_waiting', {}, readings.auditWaiting);
    sheet.put('mcp_drawbridge_audit_dropped_total', {}, this.#auditDropped);
    sheet.put('mcp_drawbridge_spans_dropped_total', {}, this.#spansDropped);
    for (const [destination, cells] of this.#destinations.entries()) collectDestination(sheet, destination, cells);
    this.#collectTenants(sheet);
    this.#collectSignals(sheet);
    collectReadings(sheet, readings);
    return sheet.families();
  }

  #cellsOf({ route, decision }: Exchange): DestinationCells {
    return this.#destinations.of(route?.destination ?? decision?.destination ?? '');
  }

  #tool({ tools }: DestinationCells, name: string | undefined, grade: number, seconds: number): void {
    const cells = (name === undefined ? undefined : tools.get(name)) ?? tools.other();
    add(cells.calls, grade);
    cells.seconds += seconds;
  }

  #tenant({ route, decision }: Exchange, tenant: string, grade: number): void {
    const destinations = tenant.length > LONGEST_TENANT ? this.#tenants.other() : this.#tenants.of(tenant);
    add(destinations.of(route?.destination ?? decision?.destination ?? ''), grade);
  }

  #failed(cells: DestinationCells, { code, limit }: NonNullable<Exchange['failure']>): void {
    cells.errors.set(code, (cells.errors.get(code) ?? 0) + 1);
    if (limit !== undefined) cells.refusals.set(limit, (cells.refusals.get(limit) ?? 0) + 1);
  }

  #happened(name: string, fields: Readonly<Record<string, unknown>> = {}): void {
    // The access record repeats what `ended` has counted.
    if (name === 'exchange' || name === 'exchange.headers') return;
    this.#signals.set(name, (this.#signals.get(name) ?? 0) + 1);
    if (name === 'audit.dropped') this.#auditDropped += typeof fields.count === 'number' ? fields.count : 1;
    if (name === 'traces.back' && typeof fields.dropped === 'number') this.#spansDropped += fields.dropped;
    const children = CHILDREN[name];
    if (children !== undefined) this.#destinations.of(String(fields.destination)).children += children;
    const row = COUNTED[name];
    if (!row) return;
    const counts = this.#counted.get(name) ?? new Bounded(this.#mostOf(row[1]), () => ({ count: 0 }));
    this.#counted.set(name, counts);
    const value = fields[row[1]];
    counts.of(typeof value === 'string' ? value : '').count += 1;
  }

  #mostOf(field: string): number {
    return field === 'destination' ? this.#options.maxDestinations : MOST_CREDENTIALS;
  }

  #perDestination(): Bounded<Float64Array> {
    return new Bounded(this.#options.maxDestinations, () => new Float64Array(STATUSES.length));
  }

  #collectTenants(sheet: Sheet): void {
    for (const [tenant, destinations] of this.#tenants.entries()) {
      for (const [destination, grades] of destinations.entries()) {
        putGrades(sheet, 'mcp_drawbridge_tenant_requests_total', { tenant, destination }, grades);
      }
    }
  }

  #collectSignals(sheet: Sheet): void {
    for (const [signal, count] of this.#signals) sheet.put('mcp_drawbridge_signals_total', { signal }, count);
    for (const [signal, counts] of this.#counted) {
      const [name, field, labels] = COUNTED[signal] as (typeof COUNTED)[string];
      for (const [value, { count }] of counts.entries()) sheet.put(name, { [field]: value, ...labels }, count);
    }
  }
}

/** An answer that may stay open for as long as the caller likes. */
function listens(call: McpCall | undefined): boolean {
  return call?.kind === 'stream' || call?.method === 'subscriptions/listen';
}
