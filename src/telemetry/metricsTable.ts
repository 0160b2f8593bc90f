interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** What several workers' values make together; their sum where absent. */
  readonly aggregator?: 'first' | 'min';
}

/**
 * The one table of our metrics; `docs/metrics.md` is checked against it both ways. Names and labels are those of
 * OpenTelemetry's HTTP and MCP conventions, as Prometheus spells them, where these have one.
 */
export const METRICS = {
  http_server_request_duration_seconds: {
    type: 'histogram',
    labels: ['destination', 'http_request_method'],
    help: 'From the head of a request to the last byte of its answer, streams included',
  },
  http_server_active_requests: { type: 'gauge', labels: [], help: 'Requests under way, streams included' },
  mcp_server_operation_duration_seconds: {
    type: 'histogram',
    labels: ['destination', 'mcp_method_name'],
    help: 'From the head of an MCP message to the last byte of its answer',
  },
  mcp_drawbridge_requests_total: {
    type: 'counter',
    labels: ['strategy', 'destination', 'mcp_method_name', 'status', 'outcome'],
    help: 'Requests that are over',
  },
  mcp_drawbridge_errors_total: {
    type: 'counter',
    labels: ['destination', 'error_type'],
    help: 'Requests that Drawbridge answered with an error of its own, by its code',
  },
  mcp_drawbridge_quota_refusals_total: {
    type: 'counter',
    labels: ['destination', 'limit'],
    help: 'Requests refused by a limit, or shed',
  },
  mcp_drawbridge_tool_calls_total: {
    type: 'counter',
    labels: ['destination', 'gen_ai_tool_name', 'status'],
    help: 'Tool calls that are over',
  },
  mcp_drawbridge_tool_call_seconds_total: {
    type: 'counter',
    labels: ['destination', 'gen_ai_tool_name'],
    help: 'Time that tool calls took together',
  },
  mcp_drawbridge_tenant_requests_total: {
    type: 'counter',
    labels: ['tenant', 'destination', 'status'],
    help: 'Requests of callers that belong to a tenant',
  },
  mcp_drawbridge_attempts_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Tries at an upstream, first ones included',
  },
  mcp_drawbridge_retries_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Calls sent again because the upstream could not be had',
  },
  mcp_drawbridge_replays_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Calls sent again with a fresh credential',
  },
  mcp_drawbridge_retry_budget_exhausted_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Calls not sent again because too many of the last ones were',
  },
  mcp_drawbridge_circuit_state: {
    type: 'gauge',
    labels: ['destination', 'state'],
    help: '1 for the state that the circuit breaker is in, 0 for the others',
  },
  mcp_drawbridge_circuit_opened_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'How often the circuit breaker opened',
  },
  mcp_drawbridge_pool_members: {
    type: 'gauge',
    labels: ['destination', 'state'],
    help: 'Members of a pool by their state: serving, slow-start, ejected or unhealthy',
  },
  mcp_drawbridge_pool_in_flight: {
    type: 'gauge',
    labels: ['destination', 'member'],
    help: 'Calls under way at a member of a pool, streams included',
  },
  mcp_drawbridge_pool_ejections_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'How often a member of a pool was left out since its calls failed',
  },
  mcp_drawbridge_token_requests_total: {
    type: 'counter',
    labels: ['credential', 'result'],
    help: 'Requests for a token: acquired, refreshed or failed',
  },
  mcp_drawbridge_tokens_rejected_total: {
    type: 'counter',
    labels: ['credential'],
    help: 'Tokens dropped because an upstream refused them',
  },
  mcp_drawbridge_tokens: {
    type: 'gauge',
    labels: ['credential'],
    help: "Tokens of the gateway's own that are held",
  },
  mcp_drawbridge_token_expiry_timestamp_seconds: {
    type: 'gauge',
    labels: ['credential'],
    help: "When the first of the gateway's own tokens ends; absent for one without an end",
    aggregator: 'min',
  },
  mcp_drawbridge_cache_requests_total: {
    type: 'counter',
    labels: ['destination', 'result'],
    help: 'Questions to the result cache: hit or miss',
  },
  mcp_drawbridge_cache_entries: { type: 'gauge', labels: [], help: 'Answers in the result cache' },
  mcp_drawbridge_cache_bytes: { type: 'gauge', labels: [], help: 'What they take' },
  mcp_drawbridge_sessions: {
    type: 'gauge',
    labels: ['destination'],
    help: 'MCP sessions that belong to a known caller',
  },
  mcp_drawbridge_streams: {
    type: 'gauge',
    labels: ['destination'],
    help: 'Callers that listen: open streams of GET and of subscriptions/listen',
  },
  mcp_drawbridge_request_bytes_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Bodies of MCP messages that came in',
  },
  mcp_drawbridge_response_bytes_total: {
    type: 'counter',
    labels: ['destination'],
    help: 'Bodies of answers that went out, PASSTHROUGH aside',
  },
  mcp_drawbridge_children: {
    type: 'gauge',
    labels: ['destination'],
    help: 'Processes that were started and have not ended',
  },
  mcp_drawbridge_spans_dropped_total: {
    type: 'counter',
    labels: [],
    help: 'Spans that the collector of traces did not get',
  },
  mcp_drawbridge_audit_waiting: { type: 'gauge', labels: [], help: 'Lines of the audit log that are not written yet' },
  mcp_drawbridge_audit_dropped_total: { type: 'counter', labels: [], help: 'Lines of the audit log that were lost' },
  mcp_drawbridge_signals_total: {
    type: 'counter',
    labels: ['signal'],
    help: 'Happenings by their name in docs/signals.md, requests aside',
  },
  mcp_drawbridge_build_info: { type: 'gauge', labels: ['version'], help: 'Always 1', aggregator: 'first' },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;

export interface Sample {
  /** Of a part of a histogram, such as `…_bucket`. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric and its values: plain data that may be sent to another process. Of prom-client's own shape. */
export interface MetricFamily {
  readonly name: string;
  readonly type: MetricRow['type'];
  readonly help: string;
  readonly aggregator: string;
  readonly values: readonly Sample[];
}
