import type { McpCall } from '../contracts.js';

type Json = Readonly<Record<string, unknown>>;

const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';

/** Whether the client says in this message that it shows addresses to people: in `initialize`, or in `_meta` since 2026-07-28. */
export function declaresUrls({ era, body }: McpCall): boolean {
  // Hardly any does, and nothing is parsed for those that don't.
  if (!body?.includes('"elicitation"')) return false;
  const { params } = JSON.parse(body.toString()) as { params?: unknown };
  const said = era === 'modern' ? member(member(params, '_meta'), CAPABILITIES_KEY) : member(params, 'capabilities');
  return member(member(said, 'elicitation'), 'url') !== undefined;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Json)[key] : undefined;
}
