import { ToolError } from '../../core/toolErrors.js';
import { pathOf } from './endpoints.js';
import type { QlikCalls } from './restCalls.js';
import { fully, picked } from './restShapes.js';

type Json = Record<string, unknown>;

const APP = '/api/v1/apps/{appId}';
const MOST_FIELDS = 200;
const MOST_TABLES = 100;

/** An app, its data model in short, and its last reload. What doesn't fit is counted. */
export async function describeApp(calls: QlikCalls, appId: string): Promise<object> {
  const asked = { variables: { appId }, keep: 'metadata' } as const;
  const [app, metadata] = await Promise.all([
    calls.get(APP, asked),
    calls.get(pathOf('apps', 'metadata'), asked).catch(whyNot),
  ]);
  return { ...fully('apps', app), ...(typeof metadata === 'string' ? { noData: metadata } : modelOf(metadata)) };
}

/** An app without data has no metadata, or it is too much: the app is described nevertheless, and why that isn't. */
function whyNot(error: unknown): string {
  if (error instanceof ToolError) return error.message;
  throw error;
}

function modelOf({ tables, fields, reload_meta, static_byte_size, has_section_access }: Json): object {
  const shown = rowsOf(tables).filter(({ is_system }) => is_system !== true);
  const named = rowsOf(fields).filter(({ is_system, is_hidden }) => is_system !== true && is_hidden !== true);
  return {
    tables: shown
      .slice(0, MOST_TABLES)
      .map((table) => picked(table, ['name', 'rows=no_of_rows', 'fields=no_of_fields'])),
    ...rest('moreTables', shown.length - MOST_TABLES),
    fields: named
      .slice(0, MOST_FIELDS)
      .map((field) => picked(field, ['name', 'tables=src_tables', 'distinct=cardinal'])),
    ...rest('moreFields', named.length - MOST_FIELDS),
    bytes: static_byte_size,
    hasSectionAccess: has_section_access,
    reload: picked((reload_meta ?? {}) as Json, ['cpuMs=cpu_time_spent_ms', 'peakMemoryBytes=peak_memory_bytes']),
  };
}

function rowsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function rest(name: string, count: number): Record<string, number> {
  return count > 0 ? { [name]: count } : {};
}
