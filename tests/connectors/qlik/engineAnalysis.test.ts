import type { ToolContext } from '../../../src/contracts/tools.js';
import { ToolError } from '../../../src/core/toolErrors.js';
import { type MockApp, type MockQlik, startMockQlik } from '../../../src/testing.js';
import { bearer, contextOf, EngineWorld } from './engineWorld.js';

const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const BUDGET = '5a1e5a90-0002-4000-8000-000000000002';
const ODD = '5a1e5a90-0009-4000-8000-000000000009';
const WIDE = '5a1e5a90-000a-4000-8000-00000000000a';

/** Names and values that are easily taken for something else. */
const odd: MockApp = {
  id: ODD,
  name: 'Odd',
  ownerId: 'user-ben',
  tables: {
    T: [
      { 'Sum(Sales)': 'one', '=Sum(Sales)': 'x', Sales: 10, 'a]b': 'brackets', 'Sales Amount': 7, Text: '007' },
      { 'Sum(Sales)': 'two', '=Sum(Sales)': 'y', Sales: 32, 'a]b': null, 'Sales Amount': 8, Text: '=1+1' },
      { 'Sum(Sales)': null, '=Sum(Sales)': 'y', Sales: 0, 'a]b': 'B*?', 'Sales Amount': 9, Text: '-' },
    ],
  },
};

/** More values than the engine shows at once. */
const wide: MockApp = {
  id: WIDE,
  name: 'Wide',
  ownerId: 'user-ben',
  tables: { W: Array.from({ length: 10_050 }, (_, at) => ({ Id: at, Name: `Item ${at}${at % 2 ? ' (odd)' : ''}` })) },
};

describe("tools of the engine, against a tenant that isn't real", () => {
  let mock: MockQlik;
  let world: EngineWorld;
  let ben: ToolContext;

  beforeAll(async () => {
    const seeded = (await import('../../../src/connectors/qlik/mock/seedPeople.js')).seedApps();
    mock = await startMockQlik({
      apps: [...seeded, odd, wide],
      apiKeys: { 'key-ben': 'user-ben', 'key-cem': 'user-cem' },
    });
    ben = contextOf('ben', { credential: bearer(await mock.mint('user-ben')) });
  });

  beforeEach(() => {
    mock.forget();
    world = new EngineWorld(new URL(mock.origin));
  });

  afterEach(() => world.engine.close());
  afterAll(() => mock.close());

  const call = (name: string, args: object, context = ben) => world.call(name, args, context);
  const openApp = async (appId = SALES, more = {}) => String((await call('qlik_open_app', { appId, ...more })).handle);
  const said = (work: Promise<unknown>) =>
    work.then(
      (value) => Promise.reject(new Error(`it was answered: ${JSON.stringify(value)}`)),
      (error: unknown) => {
        expect(error).toBeInstanceOf(ToolError);
        return (error as Error).message;
      },
    );

  it('walks an analysis: open → model → fields → expression → table → select → table → clear → close', async () => {
    const handle = await openApp();
    expect(await call('qlik_get_data_model', { handle })).toEqual({
      tables: [
        { name: 'Orders', rows: 60, fields: ['OrderID', 'Region', 'Product', 'Customer', 'Amount', 'Date'] },
        { name: 'Customers', rows: 6, fields: ['Customer', 'Country', 'Credit'] },
      ],
      associations: [{ fields: ['Customer'], tables: ['Orders', 'Customers'] }],
      total: 2,
    });
    expect(await call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' })).toEqual({ value: 18_300 });
    const asked = {
      handle,
      dimensions: ['Region'],
      measures: ['Sum(Amount)', 'Number of orders'],
      sortBy: '-Sum(Amount)',
    };
    expect(await call('qlik_create_data_object', asked)).toEqual({
      columns: [
        { name: 'Region', type: 'dimension' },
        { name: 'Sum(Amount)', type: 'measure' },
        { name: 'Number of orders', type: 'measure' },
      ],
      rows: [
        ['North', 4800, 15],
        ['West', 4650, 15],
        ['East', 4500, 15],
        ['South', 4350, 15],
      ],
      totals: [null, 18_300, 60],
      totalRows: 4,
    });
    const selections = [{ field: 'Region', values: ['North', 'West'] }];
    expect(await call('qlik_select_values', { handle, selections })).toEqual({
      selections: [{ field: 'Region', count: 2, total: 4, values: expect.arrayContaining(['North', 'West']) }],
    });
    expect(await call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' })).toEqual({ value: 9450 });
    expect(await call('qlik_get_current_selections', { handle })).toMatchObject({
      selections: [{ field: 'Region', count: 2 }],
    });
    expect(await call('qlik_clear_selections', { handle })).toEqual({ selections: [] });
    expect(await call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' })).toEqual({ value: 18_300 });
    expect(await call('qlik_close_app', { handle })).toEqual({ closed: true });
  });

  it('the second call on a handle makes no token request, no socket, no OpenDoc', async () => {
    const handle = await openApp();
    await call('qlik_list_measures', { handle });
    const before = [mock.count({ kind: 'login' }), mock.count({ kind: 'socket' }), mock.count({ method: 'OpenDoc' })];
    await call('qlik_list_measures', { handle });
    await call('qlik_get_fields', { handle });
    expect([mock.count({ kind: 'login' }), mock.count({ kind: 'socket' }), mock.count({ method: 'OpenDoc' })]).toEqual(
      before,
    );
    expect(before).toEqual([0, 1, 1]);
  });

  it('leaves no object of a session behind', async () => {
    const handle = await openApp();
    await call('qlik_get_fields', { handle });
    await call('qlik_create_data_object', { handle, dimensions: ['Region'], measures: ['Revenue'] });
    await call('qlik_select_values', { handle, selections: [{ field: 'Region', values: ['North'] }] });
    await said(call('qlik_create_data_object', { handle, dimensions: ['Nowhere'] }));
    // One more, so that the last of them is sure to have arrived.
    await call('qlik_get_script', { handle });
    expect(mock.count({ method: 'CreateSessionObject' })).toBeGreaterThan(5);
    expect(mock.count({ method: 'DestroySessionObject', status: 0 })).toBe(
      mock.count({ method: 'CreateSessionObject' }),
    );
  });

  describe('users', () => {
    it('two API-key users on one app never share a socket', async () => {
      const [one, two] = ['key-ben', 'key-cem'].map((key) =>
        contextOf('laptop', { credential: bearer(key, { callers: true }) }),
      ) as [ToolContext, ToolContext];
      const { handle } = await call(
        'qlik_select_values',
        { appId: SALES, selections: [{ field: 'Region', values: ['North'] }] },
        one,
      );
      expect(await call('qlik_evaluate_expression', { appId: SALES, expression: 'Sum(Amount)' }, two)).toEqual({
        value: 18_300,
      });
      expect(await said(call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' }, two))).toMatch(
        /^Unknown handle/,
      );
      const sockets = mock.ledger.filter(({ kind }) => kind === 'socket');
      expect(sockets.map(({ bearer: shown, who }) => [shown, who])).toEqual([
        ['key-ben', 'auth0|ben'],
        ['key-cem', 'auth0|cem'],
      ]);
      expect(
        mock.ledger.filter(({ kind, who }) => kind === 'frame' && who === 'auth0|cem').map(({ socket }) => socket),
      ).toEqual(expect.not.arrayContaining([sockets[0]?.socket]));
    });

    it('selections of two handles never meet, nor does an app without handle see them', async () => {
      const [one, two] = [await openApp(), await openApp()];
      await call('qlik_select_values', { handle: one, selections: [{ field: 'Region', values: ['North'] }] });
      await call('qlik_select_values', { handle: two, selections: [{ field: 'Region', values: ['South'] }] });
      const sums = await Promise.all(
        [{ handle: one }, { handle: two }, { appId: SALES }].map((app) =>
          call('qlik_evaluate_expression', { ...app, expression: 'Sum(Amount)' }),
        ),
      );
      expect(sums).toEqual([{ value: 4800 }, { value: 4350 }, { value: 18_300 }]);
    });

    it('see the apps that Qlik lets them see', async () => {
      expect(await said(call('qlik_open_app', { appId: BUDGET }))).toMatch(/may not open the app \(close code 4203\)/);
      expect(await said(call('qlik_open_app', { appId: 'nowhere' }))).toMatch(/there is no such app.*4204/);
    });
  });

  describe('selections', () => {
    it('an app that was saved with a selection opens without it, unless it is asked to keep it', async () => {
      const cem = contextOf('cem', { credential: bearer(await mock.mint('user-cem')) });
      const sum = { expression: 'Sum(Plan)' };
      expect(await call('qlik_evaluate_expression', { appId: BUDGET, ...sum }, cem)).toEqual({ value: 1070 });
      const { handle } = await call('qlik_open_app', { appId: BUDGET }, cem);
      expect(await call('qlik_evaluate_expression', { handle, ...sum }, cem)).toEqual({ value: 1070 });
      const { handle: kept } = await call('qlik_open_app', { appId: BUDGET, keepSavedSelection: true }, cem);
      expect(await call('qlik_evaluate_expression', { handle: kept, ...sum }, cem)).toEqual({ value: 570 });
      expect(await call('qlik_get_current_selections', { handle: kept }, cem)).toEqual({
        selections: [{ field: 'Year', count: 1, total: 2, values: ['2026'] }],
      });
    });

    it('a select that silently selects nothing is found by reading back', async () => {
      const handle = await openApp();
      mock.faults.selectNothing();
      const message = await said(
        call('qlik_select_values', { handle, selections: [{ field: 'Region', values: ['North'] }] }),
      );
      expect(message).toMatch(/did not: 0 of 1 values in Region \("North"\).*Selected now: nothing/);
      await expect(call('qlik_get_current_selections', { handle })).resolves.toEqual({ selections: [] });
    });

    it('says which values were not found, and selects none then', async () => {
      const handle = await openApp();
      const selections = [
        { field: 'Region', values: ['North', 'Nowhere'] },
        { field: 'Customer', values: ['Acme', 'Zeta'] },
      ];
      const message = await said(call('qlik_select_values', { handle, selections }));
      expect(message).toMatch(/^Not found: "Nowhere" in Region, "Zeta" in Customer\. Nothing was selected/);
      expect(mock.count({ method: 'SelectListObjectValues' })).toBe(0);
    });

    it('take a value as it is written, or in another case, or as a number', async () => {
      const handle = await openApp();
      const selections = [
        { field: 'region', values: ['north'] },
        { field: 'OrderID', values: [4, '8'] },
      ];
      expect(await said(call('qlik_select_values', { handle, selections }))).toMatch(
        /no field "region".*there is "Region"/,
      );
      const right = [{ field: 'Region', values: ['north'] }, selections[1]];
      expect(await call('qlik_select_values', { handle, selections: right })).toMatchObject({
        selections: [
          { field: 'Region', values: ['North'] },
          { field: 'OrderID', count: 2, values: ['4', '8'] },
        ],
      });
      expect(await call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' })).toEqual({ value: 120 });
    });

    it('given an app, open it, and answer the handle', async () => {
      const made = await call('qlik_select_values', {
        appId: SALES,
        selections: [{ field: 'Region', values: ['North'] }],
      });
      expect(made).toMatchObject({ handle: expect.stringMatching(/^[\w-]{22}$/), selections: [{ field: 'Region' }] });
      expect(await call('qlik_evaluate_expression', { handle: made.handle, expression: 'Sum(Amount)' })).toEqual({
        value: 4800,
      });
      const before = world.engine.sessions;
      await said(call('qlik_select_values', { appId: SALES, selections: [{ field: 'Region', values: ['?'] }] }));
      expect(world.engine.sessions).toBe(before);
    });

    it('find values in a field that has more than the engine shows at once', async () => {
      const handle = await openApp(WIDE);
      const selections = [{ field: 'Name', values: ['Item 10049 (odd)', 'Item 1'] }];
      expect(await said(call('qlik_select_values', { handle, selections }))).toMatch(/^Not found: "Item 1" in Name/);
      const right = [{ field: 'Name', values: ['Item 10049 (odd)', 'Item 2'] }];
      expect(await call('qlik_select_values', { handle, selections: right })).toMatchObject({
        selections: [{ field: 'Name', count: 2, total: 10_050 }],
      });
      expect(await call('qlik_evaluate_expression', { handle, expression: 'Sum(Id)' })).toEqual({ value: 10_051 });
    });

    it.each([
      [[], 'Select in 1 to 20 fields'],
      [[{ field: 'Region', values: [] }], 'No values for Region'],
      [[{ field: 'Region', values: Array(501).fill('') }], 'at most 500 values'],
      [
        [
          { field: 'Region', values: ['North'] },
          { field: '[Region]', values: ['South'] },
        ],
        'each field once',
      ],
    ])('refuse what is none: case %#', async (selections, text) => {
      expect(await said(call('qlik_select_values', { appId: SALES, selections }))).toContain(text);
    });
  });

  describe('fields and expressions', () => {
    it('a field named like an expression is a field where a field is meant, and none where an expression is', async () => {
      const app = { appId: ODD };
      expect(await call('qlik_evaluate_expression', { ...app, expression: 'Sum(Sales)' })).toEqual({ value: 42 });
      expect(
        await call('qlik_create_data_object', { ...app, dimensions: ['Sum(Sales)'], measures: ['Sum(Sales)'] }),
      ).toMatchObject({
        rows: expect.arrayContaining([
          ['one', 10],
          ['two', 32],
          [null, 0],
        ]),
        totals: [null, 42],
      });
      expect(
        await call('qlik_create_data_object', { ...app, dimensions: ['=Sum(Sales)'], measures: ['Count(Sales)'] }),
      ).toMatchObject({
        rows: expect.arrayContaining([
          ['x', 1],
          ['y', 2],
        ]),
      });
      expect(await call('qlik_get_field_values', { ...app, field: 'Sum(Sales)' })).toMatchObject({
        field: 'Sum(Sales)',
        values: [{ value: 'one' }, { value: 'two' }],
      });
      const selections = [{ field: '=Sum(Sales)', values: ['y'] }];
      expect(await call('qlik_select_values', { ...app, selections })).toMatchObject({
        selections: [{ field: '=Sum(Sales)', count: 1 }],
      });
    });

    it('brackets in a name are doubled, and may stand around it', async () => {
      const names = mock.ledger.filter(({ method }) => method === 'CreateSessionObject');
      expect(names).toEqual([]);
      await call('qlik_get_field_values', { appId: ODD, field: 'a]b' });
      await call('qlik_get_field_values', { appId: ODD, field: '[Sales Amount]' });
      const defs = mock.ledger
        .filter(({ method }) => method === 'CreateSessionObject')
        .map(({ body }) => JSON.stringify(body))
        .filter((text) => text.includes('qListObjectDef'));
      expect(defs.map((text) => /"qFieldDefs":\["(.*?)"\]/.exec(text)?.[1])).toEqual(['[a]]b]', '[Sales Amount]']);
    });

    it.each([
      ['Sum(Saless)', /no field "Saless"; there is .*"Sales"/],
      ['Sum(', /is no valid expression/],
      ['Sales Amount', /is a field: in an expression write \[Sales Amount\]/],
    ])('%s is refused with what to do instead', async (expression, text) => {
      expect(await said(call('qlik_evaluate_expression', { appId: ODD, expression }))).toMatch(text);
    });

    it('a field is no measure', async () => {
      const message = await said(
        call('qlik_create_data_object', { appId: ODD, dimensions: ['Text'], measures: ['Sales'] }),
      );
      expect(message).toMatch(/a measure aggregates, such as Sum\(\[Sales\]\)/);
    });

    it('texts stay what they are: no number, no expression, no null', async () => {
      const { values } = (await call('qlik_get_field_values', { appId: ODD, field: 'Text' })) as {
        values: { value: unknown }[];
      };
      expect(values.map(({ value }) => value).sort()).toEqual(['-', '007', '=1+1']);
    });

    it('a search is for text: what looks like an expression is none', async () => {
      const search = (text: string) => call('qlik_search_field_values', { appId: ODD, field: 'Text', search: text });
      expect(await search('=1')).toMatchObject({ values: [{ value: '=1+1' }], total: 1 });
      expect(await search('nothing like it')).toEqual({ field: 'Text', values: [], total: 0 });
      expect(await call('qlik_search_field_values', { appId: SALES, field: 'Customer', search: 'ce' })).toMatchObject({
        values: [{ value: 'Cedar' }],
      });
    });
  });

  describe('what is too much', () => {
    it('10 million cells are refused with how to ask for less', async () => {
      const asked = {
        appId: SALES,
        dimensions: ['Region', 'Product'],
        measures: ['Revenue', 'Sum(Amount)', 'Count(OrderID)'],
      };
      const message = await said(call('qlik_create_data_object', { ...asked, limit: 2_000_000 }));
      expect(message).toMatch(
        /10000000 cells, and an answer has 10000 at most: ask for limit 2000 or less and follow nextCursor/,
      );
      expect(
        await said(call('qlik_get_chart_data', { appId: SALES, chartId: 'chart-region', limit: 5_000_001 })),
      ).toContain('limit 5000 or less');
      expect(mock.count({ method: 'GetHyperCubeData' })).toBe(0);
    });

    it('pages go through a table whole, and end', async () => {
      const asked = { appId: WIDE, dimensions: ['Id'], measures: ['Count(Name)'], limit: 5000, sortBy: 'Id' };
      const rows: unknown[] = [];
      let cursor: string | undefined;
      do {
        const page = await call('qlik_create_data_object', { ...asked, ...(cursor === undefined ? {} : { cursor }) });
        rows.push(...(page.rows as unknown[]));
        expect(page.totalRows).toBe(10_050);
        cursor = page.nextCursor as string | undefined;
      } while (cursor !== undefined);
      expect([rows.length, rows[0], rows.at(-1)]).toEqual([10_050, [0, 1], [10_049, 1]]);
      expect(await call('qlik_create_data_object', { ...asked, cursor: '999999' })).toMatchObject({ rows: [] });
      expect(await said(call('qlik_create_data_object', { ...asked, cursor: '-1' }))).toContain('cursor is none');
    });

    it('lists have pages, too', async () => {
      const first = await call('qlik_get_field_values', { appId: WIDE, field: 'Id', limit: 3 });
      expect(first).toMatchObject({ total: 10_050, nextCursor: '3' });
      const second = await call('qlik_get_fields', { appId: SALES, limit: 5, cursor: '5' });
      expect(second).toMatchObject({ total: 8, fields: [{}, {}, {}] });
      expect(second.nextCursor).toBeUndefined();
    });
  });

  describe('what an app consists of', () => {
    it('fields', async () => {
      expect(await call('qlik_get_fields', { appId: SALES, search: 'cust' })).toEqual({
        fields: [{ name: 'Customer', distinct: 6, tables: ['Orders', 'Customers'], tags: expect.any(Array) }],
        total: 1,
      });
    });

    it('master items', async () => {
      expect(await call('qlik_list_measures', { appId: SALES })).toMatchObject({
        measures: [
          { id: 'measure-revenue', title: 'Revenue', expression: 'Sum(Amount)', description: 'What was invoiced' },
          { id: 'measure-orders', title: 'Number of orders', expression: 'Count(OrderID)' },
        ],
        total: 2,
      });
      expect(await call('qlik_list_dimensions', { appId: SALES })).toMatchObject({
        dimensions: [
          { id: 'dimension-region', title: 'Sales region', fields: ['Region'] },
          { id: 'dimension-geography', title: 'Geography', fields: ['Country', 'Customer'] },
        ],
      });
    });

    it('sheets, charts and their data', async () => {
      expect(await call('qlik_list_sheets', { appId: SALES })).toMatchObject({
        sheets: [
          { id: 'sheet-overview', title: 'Overview', description: 'Revenue at a glance', charts: 1 },
          { id: 'sheet-details', title: 'Details', charts: 1 },
        ],
      });
      expect(await call('qlik_get_sheet_details', { appId: SALES, sheetId: 'sheet-overview' })).toMatchObject({
        title: 'Overview',
        charts: [{ id: 'chart-region', type: 'barchart', title: 'Revenue by region' }],
      });
      expect(await call('qlik_get_chart_info', { appId: SALES, chartId: 'table-customers' })).toMatchObject({
        type: 'table',
        title: 'Customers',
        dimensions: [{ name: 'Customer', definition: 'Customer' }, { name: 'Country' }],
        measures: [{ name: 'Revenue', definition: 'Sum(Amount)' }, { definition: 'Count(OrderID)' }],
        hides: ['missing values'],
      });
      expect(await call('qlik_get_chart_info', { appId: SALES, chartId: 'chart-region' })).toMatchObject({
        dimensions: [{ name: 'Sales region', masterItem: 'dimension-region' }],
        measures: [{ name: 'Revenue', masterItem: 'measure-revenue' }],
      });
      expect(await call('qlik_get_chart_data', { appId: SALES, chartId: 'chart-region' })).toMatchObject({
        columns: [{ name: 'Sales region' }, { name: 'Revenue' }],
        rows: expect.arrayContaining([['North', 4800]]),
        totals: [null, 18_300],
        hides: ['missing values'],
      });
    });

    it.each([
      ['qlik_get_chart_data', { chartId: 'nothing' }, 'no such object'],
      ['qlik_get_sheet_details', { sheetId: 'nothing' }, 'no such object'],
      ['qlik_get_chart_data', { chartId: 'sheet-overview' }, 'A sheet has no data of its own'],
      ['qlik_create_data_object', {}, 'Give dimensions, measures or both'],
      ['qlik_create_data_object', { dimensions: ['Region'], sortBy: 'Product' }, 'sortBy is one of'],
      ['qlik_create_data_object', { dimensions: ['Region'], limit: 0 }, 'whole number'],
    ])('%s %j is refused in words', async (name, args, text) => {
      expect(await said(call(name, { appId: SALES, ...args }))).toContain(text);
    });

    it('variables', async () => {
      expect(await call('qlik_list_variables', { appId: SALES })).toMatchObject({
        variables: [
          { name: 'vTarget', definition: '5000' },
          { name: 'vTotal', definition: '=Sum(Amount)' },
        ],
        total: 2,
      });
    });
  });

  describe('the script', () => {
    const script = '///$tab Main\nLOAD 1 AS A AUTOGENERATE 1;\n';

    it('is read, and its syntax checked', async () => {
      expect(await call('qlik_get_script', { appId: SALES })).toMatchObject({
        script: expect.stringMatching(/^\/\/\/\$tab Main/),
      });
      expect(await call('qlik_check_script', { appId: SALES })).toEqual({ errors: [] });
    });

    it('is replaced and saved', async () => {
      const appId = ODD;
      expect(await call('qlik_update_script', { appId, script })).toEqual({ saved: true, length: script.length });
      expect(await call('qlik_get_script', { appId })).toEqual({ script, length: script.length });
      expect(await call('qlik_update_script', { appId, script })).toEqual({ saved: false, unchanged: true });
      expect(mock.count({ method: 'DoSave', status: 0 })).toBe(1);
    });

    it('with wrong syntax is not saved, and what was there is there again', async () => {
      const { script: before } = await call('qlik_get_script', { appId: SALES });
      const message = await said(call('qlik_update_script', { appId: SALES, script: '///$tab Main\nLAOD nothing;\n' }));
      expect(message).toMatch(/not saved: its syntax is wrong\. Main line \d+ column \d+: LAOD/);
      expect(await call('qlik_get_script', { appId: SALES })).toMatchObject({ script: before });
      expect(mock.count({ method: 'DoSave' })).toBe(0);
    });

    it('that can not be saved is not left in the engine', async () => {
      const { script: before } = await call('qlik_get_script', { appId: SALES });
      mock.faults.refuse('DoSave', 1005);
      expect(await said(call('qlik_update_script', { appId: SALES, script }))).toContain('refused doSave');
      expect(await call('qlik_get_script', { appId: SALES })).toMatchObject({ script: before });
    });

    it('of somebody who may only read is refused by Qlik', async () => {
      const cem = contextOf('cem', { credential: bearer(await mock.mint('user-cem')) });
      expect(await said(call('qlik_update_script', { appId: SALES, script }, cem))).toContain('may not do that');
    });
  });

  describe('faults', () => {
    it.each([4203, 4204, 4205, 4230, 4240, 4001, 4005, 4006] as const)(
      'an engine closed in mid-call with %i: a table is calculated again, or the reason said',
      async (code) => {
        const handle = await openApp();
        mock.faults.closeOn('GetHyperCubeData', code);
        const asked = { handle, dimensions: ['Region'], measures: ['Revenue'] };
        const answered = await call('qlik_create_data_object', asked).catch((error: Error) => error.message);
        if (code === 4001 || code === 4006) expect(answered).toMatchObject({ totalRows: 4 });
        else expect(answered).toMatch(new RegExp(`ended in mid-call: .*close code ${code}`));
        // The handle lives on.
        await expect(call('qlik_create_data_object', asked)).resolves.toMatchObject({ totalRows: 4 });
      },
    );

    it('a calculation that gave way to another is asked for once more', async () => {
      mock.faults.refuse('GetLayout', 15);
      await expect(call('qlik_list_sheets', { appId: SALES })).resolves.toMatchObject({ total: 2 });
    });

    it('an idle engine session is kept by pings', async () => {
      const idle = await startMockQlik({ engineIdleMs: 500 });
      const kept = new EngineWorld(new URL(idle.origin), { pingMs: 30 });
      const context = contextOf('ben', { credential: bearer(await idle.mint('user-ben')) });
      const { handle } = await kept.call(
        'qlik_select_values',
        { appId: SALES, selections: [{ field: 'Region', values: ['North'] }] },
        context,
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await expect(kept.call('qlik_get_current_selections', { handle }, context)).resolves.toMatchObject({
        selections: [{ field: 'Region' }],
      });
      expect(idle.count({ kind: 'socket' })).toBe(1);
      await kept.engine.close();
      await idle.close();
    });

    it('without pings it would be lost, and the selections with it: said so', async () => {
      const idle = await startMockQlik({ engineIdleMs: 300 });
      const lost = new EngineWorld(new URL(idle.origin));
      const context = contextOf('ben', { credential: bearer(await idle.mint('user-ben')) });
      const { handle } = await lost.call(
        'qlik_select_values',
        { appId: SALES, selections: [{ field: 'Region', values: ['North'] }] },
        context,
      );
      await new Promise((resolve) => setTimeout(resolve, 600));
      await expect(
        lost.call('qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' }, context),
      ).rejects.toThrow(/selections with it.*4001/);
      await lost.engine.close();
      await idle.close();
    });
  });
});
