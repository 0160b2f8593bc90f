import type { PoolMember } from '../contracts/pools.js';
import type { Outcome } from '../contracts.js';
import { Bounded, Histogram, OTHER, type Sheet } from './metricCells.js';
import type { MetricName, Sample } from './metricsTable.js';

/** What is read when somebody asks, rather than counted. */
export interface Readings {
  readonly circuits: readonly { readonly destination: string; readonly state: string }[];
  readonly pools: ReadonlyMap<string, readonly PoolMember[]>;
  /** Of the gateway itself. Epoch milliseconds; Infinity where it doesn't end. */
  readonly tokens: readonly { readonly name: string; readonly expiresAt: number }[];
  readonly cache: CacheReadings | undefined;
  /** How many, by destination. */
  readonly sessions: ReadonlyMap<string, number>;
  readonly auditWaiting: number;
}

export interface CacheReadings {
  readonly entries: number;
  readonly bytes: number;
  readonly destinations: ReadonlyMap<string, { readonly hits: number; readonly misses: number }>;
}

const STRATEGIES = ['PROXY', 'PASSTHROUGH', ''] as const;
const OUTCOMES: readonly Outcome[] = ['complete', 'caller-left', 'upstream-broke'];
/** By the first digit of a status. */
export const STATUSES = ['', '1xx', '2xx', '3xx', '4xx', '5xx'];
const POOL_STATES = ['serving', 'slow-start', 'ejected', 'unhealthy'] as const;
const STATES = ['closed', 'half-open', 'open'];

/** What OpenTelemetry advises for `http.server.request.duration`. */
const HTTP_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** And for `mcp.server.operation.duration`. */
const MCP_BOUNDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

const HTTP_METHODS = new Set('CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE'.split(' '));
/** Callers choose the others: they share one series. */
const MCP_METHODS = new Set(
  `completion/complete initialize logging/setLevel notifications/cancelled notifications/initialized notifications/progress
  notifications/roots/list_changed ping prompts/get prompts/list resources/list resources/read resources/subscribe
  resources/templates/list resources/unsubscribe server/discover subscriptions/listen tasks/cancel tasks/get tasks/list
  tasks/result tasks/update tools/call tools/list`.split(/\s+/),
);
class MethodCells {
  /** By strategy, status and outcome. */
  readonly requests = new Float64Array(STRATEGIES.length * STATUSES.length * OUTCOMES.length);
  readonly durations = new Histogram(MCP_BOUNDS);
}

class ToolCells {
  readonly calls = new Float64Array(STATUSES.length);
  seconds = 0;
}

export class DestinationCells {
  readonly http = new Bounded<Histogram>(HTTP_METHODS.size + 1, () => new Histogram(HTTP_BOUNDS));
  readonly methods = new Bounded<MethodCells>(MCP_METHODS.size + 2, () => new MethodCells());
  /** Codes and limits are of our own tables. */
  readonly errors = new Map<string, number>();
  readonly refusals = new Map<string, number>();
  readonly tools: Bounded<ToolCells>;
  attempts = 0;
  streams = 0;
  children = 0;
  receivedBytes = 0;
  sentBytes = 0;

  constructor(maxTools: number) {
    this.tools = new Bounded(maxTools, () => new ToolCells());
  }

  httpOf(method: string): Histogram {
    return this.http.get(method) ?? this.http.of(HTTP_METHODS.has(method) ? method : OTHER);
  }

  methodOf(asked: string): MethodCells {
    return this.methods.get(asked) ?? this.methods.of(asked === '' || MCP_METHODS.has(asked) ? asked : OTHER);
  }
}

/** The first digit of a status; 0 for what is none. */
export function gradeOf(status: number): number {
  const grade = Math.floor(status / 100);
  return grade < STATUSES.length && grade > 0 ? grade : 0;
}

export function slotOf(strategy: 'PROXY' | 'PASSTHROUGH' | undefined, grade: number, outcome: Outcome): number {
  const way = strategy === undefined ? 2 : STRATEGIES.indexOf(strategy);
  return (way * STATUSES.length + grade) * OUTCOMES.length + OUTCOMES.indexOf(outcome);
}

export function add(cells: Float64Array, slot: number): void {
  cells[slot] = (cells[slot] as number) + 1;
}

export function putGrades(sheet: Sheet, name: MetricName, labels: Sample['labels'], grades: Float64Array): void {
  grades.forEach((count, grade) => {
    if (count > 0) sheet.put(name, { ...labels, status: STATUSES[grade] as string }, count);
  });
}

export function collectDestination(sheet: Sheet, destination: string, cells: DestinationCells): void {
  for (const [http_request_method, durations] of cells.http.entries()) {
    sheet.histogram('http_server_request_duration_seconds', { destination, http_request_method }, durations);
  }
  for (const [mcp_method_name, method] of cells.methods.entries()) {
    if (mcp_method_name !== '')
      sheet.histogram('mcp_server_operation_duration_seconds', { destination, mcp_method_name }, method.durations);
    collectRequests(sheet, { destination, mcp_method_name }, method.requests);
  }
  for (const [gen_ai_tool_name, { calls, seconds }] of cells.tools.entries()) {
    const labels = { destination, gen_ai_tool_name };
    putGrades(sheet, 'mcp_drawbridge_tool_calls_total', labels, calls);
    sheet.put('mcp_drawbridge_tool_call_seconds_total', labels, seconds);
  }
  for (const [error_type, count] of cells.errors) {
    sheet.put('mcp_drawbridge_errors_total', { destination, error_type }, count);
  }
  for (const [limit, count] of cells.refusals) {
    sheet.put('mcp_drawbridge_quota_refusals_total', { destination, limit }, count);
  }
  sheet.put('mcp_drawbridge_attempts_total', { destination }, cells.attempts);
  sheet.put('mcp_drawbridge_streams', { destination }, cells.streams);
  sheet.put('mcp_drawbridge_children', { destination }, cells.children);
  sheet.put('mcp_drawbridge_request_bytes_total', { destination }, cells.receivedBytes);
  sheet.put('mcp_drawbridge_response_bytes_total', { destination }, cells.sentBytes);
}

function collectRequests(sheet: Sheet, labels: Sample['labels'], requests: Float64Array): void {
  requests.forEach((count, slot) => {
    if (count === 0) return;
    const outcome = OUTCOMES[slot % OUTCOMES.length] as string;
    const status = STATUSES[Math.floor(slot / OUTCOMES.length) % STATUSES.length] as string;
    const strategy = STRATEGIES[Math.floor(slot / OUTCOMES.length / STATUSES.length)] as string;
    sheet.put('mcp_drawbridge_requests_total', { strategy, ...labels, status, outcome }, count);
  });
}

function collectPools(sheet: Sheet, pools: Readings['pools']): void {
  for (const [destination, members] of pools) {
    for (const state of POOL_STATES) {
      const count = members.filter((member) => member.state === state).length;
      sheet.put('mcp_drawbridge_pool_members', { destination, state }, count);
    }
    for (const { url, inFlight } of members) {
      sheet.put('mcp_drawbridge_pool_in_flight', { destination, member: url.origin + url.pathname }, inFlight);
    }
  }
}

export function collectReadings(sheet: Sheet, { circuits, pools, tokens, cache, sessions }: Readings): void {
  collectPools(sheet, pools);
  for (const { destination, state } of circuits) {
    for (const each of STATES) {
      sheet.put('mcp_drawbridge_circuit_state', { destination, state: each }, each === state ? 1 : 0);
    }
  }
  for (const { name: credential, expiresAt } of tokens) {
    sheet.put('mcp_drawbridge_tokens', { credential }, 1);
    if (Number.isFinite(expiresAt)) {
      sheet.put('mcp_drawbridge_token_expiry_timestamp_seconds', { credential }, expiresAt / 1000);
    }
  }
  for (const [destination, count] of sessions) sheet.put('mcp_drawbridge_sessions', { destination }, count);
  if (!cache) return;
  sheet.put('mcp_drawbridge_cache_entries', {}, cache.entries);
  sheet.put('mcp_drawbridge_cache_bytes', {}, cache.bytes);
  for (const [destination, { hits, misses }] of cache.destinations) {
    sheet.put('mcp_drawbridge_cache_requests_total', { destination, result: 'hit' }, hits);
    sheet.put('mcp_drawbridge_cache_requests_total', { destination, result: 'miss' }, misses);
  }
}
