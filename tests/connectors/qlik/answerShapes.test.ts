import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import qlik from '../../../src/connectors/qlik/toolset.js';
import type { Toolset } from '../../../src/contracts/tools.js';
import { systemClock } from '../../../src/core/async.js';
import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { type Json, type ToolsetWorld, textOf, toolsetWorld } from '../../upstreams/toolsetWorld.js';
import { RestWorld } from './restWorld.js';
import { bearer } from './tinyTenant.js';

const KEY = 'key-of-ada';
const SALES = '5a1e5a90-0001-4000-8000-000000000001';

interface Listed {
  readonly name: string;
  readonly outputSchema: {
    readonly type: string;
    readonly properties: Record<string, Json>;
    readonly [key: string]: unknown;
  };
}

/** What tools say of their answers, and what these are: every tool, at a tenant that answers as the real one does. */
describe('the answers of the Qlik toolset', () => {
  const world = new RestWorld();
  const validator = new AjvJsonSchemaValidator();
  /** By tool, in the order of the calls. */
  const answers = new Map<string, Json[]>();
  let mock: MockQlik;
  let toolset: Toolset;
  let upstream: ToolsetWorld;
  let listed: readonly Listed[];

  beforeAll(async () => {
    mock = await startMockQlik({ apiKeys: { [KEY]: 'user-ada' }, reloadStepMs: null });
    const deps = { ...world.deps(), clock: systemClock, baseDir: '.', url: new URL(mock.origin) };
    toolset = await qlik.create(qlik.options.parse({ access: 'write' }), deps);
    upstream = await toolsetWorld(toolset.tools);
    listed = (await upstream.ask('tools/list')).result.tools as Listed[];
    await analyse();
    await operate();
  }, 60_000);
  afterAll(async () => {
    await toolset?.close();
    await world.close();
    await mock?.close();
  });

  /** As a client hears it, with what the toolset's server checks of it. */
  async function call(tool: string, args: object = {}): Promise<Json> {
    const said = await upstream.call(tool, { ...args }, { credential: bearer(KEY) });
    const content = said.result.structuredContent as Json | undefined;
    if (!content) throw new Error(`${tool}: ${textOf(said)}`);
    answers.set(tool, [...(answers.get(tool) ?? []), content]);
    return content;
  }

  const firstOf = ({ data }: Json) => (data as Json[])[0] ?? {};

  /** Whatever asks the engine. */
  async function analyse(): Promise<void> {
    const app = { appId: SALES };
    const some = { ...app, limit: 1 };
    for (const tool of ['data_model', 'fields']) await call(`qlik_get_${tool}`, some);
    for (const kind of ['measures', 'dimensions', 'sheets', 'variables']) await call(`qlik_list_${kind}`, some);
    await call('qlik_list_bookmarks', app);
    await call('qlik_get_field_values', { ...some, field: 'Region' });
    await call('qlik_search_field_values', { ...some, field: 'Region', search: 'o' });
    for (const expression of ['Sum(Amount)', "'text'"]) await call('qlik_evaluate_expression', { ...app, expression });
    const table = { dimensions: ['Region'], measures: ['Sum(Amount)'] };
    await call('qlik_create_data_object', { ...some, ...table });
    await call('qlik_get_sheet_details', { ...some, sheetId: 'sheet-details' });
    for (const chartId of ['chart-region', 'table-customers']) {
      await call('qlik_get_chart_info', { ...app, chartId });
      await call('qlik_get_chart_data', { ...some, chartId });
    }
    const { script } = await call('qlik_get_script', app);
    await call('qlik_check_script', app);
    await call('qlik_update_script', { ...app, script: `${String(script)}\n// seen` });
    const { handle } = await call('qlik_open_app', app);
    const selections = [{ field: 'Region', values: ['North'] }];
    await call('qlik_select_values', { handle, selections });
    await call('qlik_get_current_selections', { handle });
    await call('qlik_clear_selections', { handle });
    await call('qlik_close_app', { handle });
    await call('qlik_select_values', { ...app, selections });
  }

  /** Whatever asks by REST. */
  async function operate(): Promise<void> {
    for (const limit of [1, undefined]) await call('qlik_search', { query: '', limit });
    await call('qlik_describe_app', { appId: SALES });
    for (const resource of ['users', 'spaces']) await call('qlik_list', { resource, limit: 1 });
    await call('qlik_get', { resource: 'users', id: 'me' });
    const { id: glossaryId } = firstOf(await call('qlik_list', { resource: 'glossaries' }));
    await call('qlik_list_glossary_terms', { glossaryId, limit: 1 });
    const { id: knowledgebaseId } = firstOf(await call('qlik_list', { resource: 'knowledgebases' }));
    await call('qlik_search_knowledgebase_chunks', { knowledgebaseId, query: 'orders' });
    const { id } = await call('qlik_create', { resource: 'spaces', fields: { name: 'Trial', type: 'shared' } });
    const patch = [{ op: 'replace', path: '/name', value: 'Tried' }];
    await call('qlik_update', { resource: 'spaces', id, patch });
    await call('qlik_delete', { resource: 'spaces', id, confirmName: 'Tried' });
    await reload();
    const { id: taskId } = firstOf(await call('qlik_list_operations', { resource: 'tasks' }));
    await call('qlik_start_task', { taskId });
    await call('qlik_get_run', { taskId });
    const { id: automationId } = firstOf(await call('qlik_list_operations', { resource: 'automations' }));
    const { runId } = await call('qlik_run_automation', { automationId });
    await call('qlik_stop_automation_run', { automationId, runId });
    await call('qlik_list_operations', { resource: 'reloads', id: SALES, limit: 1 });
    for (const direction of ['upstream', 'downstream']) await call('qlik_get_lineage', { nodeId: SALES, direction });
    await call('qlik_list_audits', { limit: 1 });
    await call('qlik_list_api_keys');
    await call('qlik_get_license_overview');
  }

  async function reload(): Promise<void> {
    const app = { appId: SALES };
    const { reloadId } = await call('qlik_start_app_reload', { ...app, waitSeconds: 0 });
    while (mock.stepReload(String(reloadId)) !== 'SUCCEEDED');
    await call('qlik_get_reload_status', { reloadId });
    await call('qlik_get_reload_log', { ...app, reloadId, offset: 0 });
    const { reloadId: second } = await call('qlik_start_app_reload', { ...app, waitSeconds: 0 });
    await call('qlik_cancel_app_reload', { reloadId: second });
  }

  /** The mock has no bookmarks, which Qlik makes in a client of its own: `tests/connectors/qlik/engineShapes` has one. */
  const UNCALLED = new Set(['qlik_apply_bookmark']);
  /** Names that only more than there is, or another kind of chart, would bring. */
  const RARE = new Set([
    'qlik_get_reload_log.nextOffset',
    'qlik_get_script.nextCursor',
    'qlik_get_sheet_details.nextCursor',
    'qlik_get_chart_data.values',
    'qlik_get_chart_info.children',
    'qlik_list_api_keys.nextCursor',
    'qlik_list_bookmarks.nextCursor',
  ]);

  it('are told of, by every tool, in one level of names and types', () => {
    expect(listed.length).toBeGreaterThan(40);
    for (const { name, outputSchema } of listed) {
      expect([name, outputSchema?.type]).toEqual([name, 'object']);
      expect(Object.keys(outputSchema).filter((key) => key !== 'type' && key !== 'properties')).toEqual([]);
      for (const property of Object.values(outputSchema.properties))
        expect(Object.keys(property).filter((key) => key !== 'type')).toEqual([]);
    }
  });

  it('are what the list says, of every tool', () => {
    const uncalled = listed.filter(({ name }) => !answers.has(name)).map(({ name }) => name);
    expect(uncalled).toEqual([...UNCALLED]);
    for (const { name, outputSchema } of listed) {
      const isValid = validator.getValidator(outputSchema);
      for (const answer of answers.get(name) ?? [])
        expect([name, isValid(answer)]).toMatchObject([name, { valid: true }]);
    }
  });

  it('have what is told of them: no name is there that no answer has', () => {
    const idle = listed.flatMap(({ name, outputSchema }) => {
      const seen = new Set((answers.get(name) ?? []).flatMap(Object.keys));
      const unseen = Object.keys(outputSchema.properties).filter((property) => !seen.has(property));
      return answers.has(name) ? unseen.map((property) => `${name}.${property}`) : [];
    });
    expect(new Set(idle)).toEqual(RARE);
  });

  it('are refused where they are something else: the tool broke, and its caller gets none of it', async () => {
    const [search] = toolset.tools.filter(({ name }) => name === 'qlik_search');
    const odd = { ...search, run: async () => ({ data: 'canary' }) } as unknown as Toolset['tools'][number];
    const broken = await toolsetWorld([odd]);
    const said = await broken.call('qlik_search', { query: 'x' });
    expect([said.result.isError, JSON.stringify(said.result).includes('canary')]).toEqual([true, false]);
    expect(broken.signals.named('tool.failed')).toMatchObject([{ tool: 'qlik_search' }]);
  });
});
