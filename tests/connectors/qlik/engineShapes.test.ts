import { cellOf } from '../../../src/connectors/qlik/engineCells.js';
import { fieldNamed, quoted } from '../../../src/connectors/qlik/engineObjects.js';
import { nextOf, offsetOf, rowsOf } from '../../../src/connectors/qlik/enginePages.js';
import { ToolError } from '../../../src/core/toolErrors.js';
import { APP, contextOf, EngineWorld } from './engineWorld.js';
import { FakeEngine } from './fakeEngine.js';

const alice = contextOf('alice');
const SESSION_OBJECT = 7;
const CHART = 8;

describe('a cell', () => {
  it.each([
    [{ qText: '12', qNum: 12 }, 12],
    [{ qText: '0.1', qNum: 0.1 }, 0.1],
    [{ qText: '0.3', qNum: 0.1 + 0.2 }, 0.1 + 0.2],
    [{ qText: '-5', qNum: -5 }, -5],
    [{ qNum: 3 }, 3],
    [
      { qText: '$1,200.00', qNum: 1200 },
      { value: 1200, text: '$1,200.00' },
    ],
    [
      { qText: '2026-01-02', qNum: 46024 },
      { value: 46024, text: '2026-01-02' },
    ],
    [
      { qText: '12.50', qNum: 12.5 },
      { value: 12.5, text: '12.50' },
    ],
    [
      { qText: '007', qNum: 7 },
      { value: 7, text: '007' },
    ],
    [
      { qText: '3', qNum: 2.6 },
      { value: 2.6, text: '3' },
    ],
    [{ qText: 'North', qNum: 'NaN' as const }, 'North'],
    [{ qText: 'North' }, 'North'],
    [{ qText: '-', qElemNumber: 3 }, '-'],
    [{ qText: '', qElemNumber: 3 }, ''],
    [{ qText: '-', qNum: 'NaN' as const, qIsNull: true }, null],
    [{ qText: '-', qElemNumber: -2 }, null],
  ])('%j is %j', (cell, value) => {
    expect(cellOf(cell)).toEqual(value);
  });
});

describe('pages', () => {
  it('hold 10,000 cells at most', () => {
    expect([rowsOf(10_000, 1, 50), rowsOf(2_500, 4, 50), rowsOf(undefined, 4, 50), rowsOf(undefined, 400, 50)]).toEqual(
      [10_000, 2_500, 50, 25],
    );
    for (const limit of [2_501, 10_000_000, 1e300])
      expect(() => rowsOf(limit, 4, 50)).toThrow('ask for limit 2500 or less');
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => rowsOf(limit, 4, 50)).toThrow(ToolError);
  });

  it('end, whatever the engine says that there is', () => {
    expect([nextOf(10, 10, 20), nextOf(20, 10, 20), nextOf(10, 0, 20)]).toEqual([{ nextCursor: '10' }, {}, {}]);
    for (const cursor of ['', '-1', 'x', '1e3', '9999999999', ' 1']) expect(() => offsetOf(cursor)).toThrow(ToolError);
  });
});

describe('names', () => {
  it('are quoted for expressions', () => {
    expect([quoted('a b'), quoted('a]b'), quoted('=Sum(x)')]).toEqual(['[a b]', '[a]]b]', '[=Sum(x)]']);
  });

  it('in brackets are the same, unless a field is named with them', () => {
    const fields = [{ qName: 'a]b' }, { qName: '[c]' }, { qName: 'c' }];
    expect([fieldNamed('[a]]b]', fields), fieldNamed('[c]', fields), fieldNamed('c', fields)]).toEqual([
      'a]b',
      '[c]',
      'c',
    ]);
    expect(() => fieldNamed('x'.repeat(5_000), fields)).toThrow(/^There is no field "x{80}…" in this app\.$/);
  });
});

describe('what an engine may answer besides', () => {
  let fake: FakeEngine;
  let world: EngineWorld;

  beforeEach(async () => {
    fake = await FakeEngine.start();
    fake.answers = {
      CreateSessionObject: () => ({ qReturn: { qType: 'GenericObject', qHandle: SESSION_OBJECT, qGenericId: 's' } }),
      GetObject: () => ({ qReturn: { qType: 'GenericObject', qHandle: CHART, qGenericId: 'chart' } }),
      DestroySessionObject: () => ({ qSuccess: true }),
      CheckExpression: () => ({ qErrorMsg: '' }),
    };
    world = new EngineWorld(fake.url);
  });

  afterEach(async () => {
    await world.engine.close();
    await fake.close();
  });

  const call = (name: string, args: object) => world.call(name, { appId: APP, ...args }, alice);
  const layout = (qLayout: object) => {
    fake.answers.GetLayout = () => ({ qLayout });
  };
  const properties = (qProp: object) => {
    fake.answers.GetEffectiveProperties = () => ({ qProp });
  };

  it('a pivot table is read as a table, by a definition of the same', async () => {
    properties({
      qInfo: { qType: 'pivot-table' },
      qHyperCubeDef: { qMode: 'P', qDimensions: [{}], qSuppressZero: true },
    });
    layout({ qHyperCube: { qSize: { qcx: 1, qcy: 1 }, qDimensionInfo: [{ qFallbackTitle: 'Region' }] } });
    fake.answers.GetHyperCubeData = () => ({ qDataPages: [{ qMatrix: [[{ qText: 'North' }]] }] });
    expect(await call('qlik_get_chart_data', { chartId: 'chart' })).toEqual({
      columns: [{ name: 'Region', type: 'dimension' }],
      rows: [['North']],
      totalRows: 1,
      hides: ['zero values'],
    });
    const [made] = fake.frames.filter(({ method }) => method === 'CreateSessionObject');
    expect(made?.params[0]).toMatchObject({ qHyperCubeDef: { qMode: 'S', qInitialDataFetch: [], qDimensions: [{}] } });
    expect(fake.frames.find(({ method }) => method === 'GetHyperCubeData')?.handle).toBe(SESSION_OBJECT);
  });

  it('columns that were moved keep their names and totals', async () => {
    properties({ qInfo: { qType: 'table' }, qHyperCubeDef: {} });
    layout({
      qHyperCube: {
        qSize: { qcx: 2, qcy: 1 },
        qDimensionInfo: [{ qFallbackTitle: 'Region' }],
        qMeasureInfo: [{ qFallbackTitle: 'Sum' }],
        qGrandTotalRow: [{ qText: '9', qNum: 9 }],
        qColumnOrder: [1, 0],
      },
    });
    fake.answers.GetHyperCubeData = () => ({
      qDataPages: [{ qMatrix: [[{ qText: '9', qNum: 9 }, { qText: 'North' }]] }],
    });
    expect(await call('qlik_get_chart_data', { chartId: 'chart' })).toMatchObject({
      columns: [{ name: 'Sum' }, { name: 'Region' }],
      rows: [[9, 'North']],
      totals: [9, null],
    });
  });

  it('a list box has values', async () => {
    properties({ qInfo: { qType: 'listbox' }, qListObjectDef: {} });
    layout({ qListObject: { qSize: { qcx: 1, qcy: 2 } } });
    fake.answers.GetListObjectData = () => ({
      qDataPages: [{ qMatrix: [[{ qText: 'a', qState: 'S', qFrequency: '3' }], [{ qText: 'b', qState: 'O' }]] }],
    });
    expect(await call('qlik_get_chart_data', { chartId: 'chart' })).toEqual({
      values: [{ value: 'a', rows: 3, state: 'selected' }, { value: 'b' }],
      total: 2,
    });
  });

  it('a container lists its children', async () => {
    properties({ qInfo: { qType: 'container' }, title: { qStringExpression: { qExpr: "='x'" } } });
    layout({ qChildList: { qItems: [{ qInfo: { qId: 'c1', qType: 'kpi' } }] } });
    expect(await call('qlik_get_chart_info', { chartId: 'chart' })).toEqual({
      id: 'chart',
      type: 'container',
      title: "='x'",
      children: [{ id: 'c1', type: 'kpi' }],
    });
  });

  it.each([
    [{ qError: { qErrorCode: 7005 } }, 'calculation condition is not met: select something first'],
    [{ qError: { qErrorCode: 6001 } }, "can't calculate this: ask for less (code 6001)"],
    [{ qMeasureInfo: [{ qFallbackTitle: 'Broken', qError: { qErrorCode: 7000 } }] }, `can't calculate "Broken"`],
  ])('a table with %j is an error, and no empty table', async (qHyperCube, text) => {
    properties({ qInfo: { qType: 'table' }, qHyperCubeDef: {} });
    layout({ qHyperCube });
    await expect(call('qlik_get_chart_data', { chartId: 'chart' })).rejects.toThrow(text);
  });

  it('a table that has rows and shows none is an error, and no end', async () => {
    properties({ qInfo: { qType: 'table' }, qHyperCubeDef: {} });
    layout({ qHyperCube: { qSize: { qcx: 1, qcy: 5 }, qMeasureInfo: [{}] } });
    fake.answers.GetHyperCubeData = () => ({ qDataPages: [] });
    await expect(call('qlik_get_chart_data', { chartId: 'chart' })).rejects.toThrow(
      'no rows where there should be some',
    );
  });

  it('fields that are derived from a date can be used by name', async () => {
    const qDerivedFieldLists = [{ qFieldDefs: [{ qName: 'Date.autoCalendar.Year' }] }];
    layout({
      qFieldList: { qItems: [{ qName: 'Date', qCardinal: 3, qDerivedFieldData: { qDerivedFieldLists } }] },
      qListObject: { qSize: { qcx: 1, qcy: 1 } },
      qSelectionObject: {
        qSelections: [{ qField: '=[Date.autoCalendar.Year]', qSelectedCount: 1, qTotal: 1, qSelected: '2026' }],
      },
    });
    fake.answers.GetListObjectData = () => ({
      qDataPages: [{ qMatrix: [[{ qText: '2026', qNum: 2026, qElemNumber: 0 }]] }],
    });
    fake.answers.SelectListObjectValues = () => ({ qSuccess: true });
    expect(await call('qlik_get_fields', {})).toMatchObject({
      fields: [{ name: 'Date' }, { name: 'Date.autoCalendar.Year' }],
    });
    const selections = [{ field: 'Date.autoCalendar.Year', values: [2026] }];
    expect(await call('qlik_select_values', { selections })).toMatchObject({
      selections: [{ field: 'Date.autoCalendar.Year', count: 1, text: '2026' }],
    });
  });

  it('a field that takes no selection says so', async () => {
    layout({ qFieldList: { qItems: [{ qName: 'A' }] }, qListObject: { qSize: { qcx: 1, qcy: 1 } } });
    fake.answers.GetListObjectData = () => ({ qDataPages: [{ qMatrix: [[{ qText: 'x', qElemNumber: 0 }]] }] });
    fake.answers.SelectListObjectValues = () => ({ qSuccess: false });
    const selections = [{ field: 'A', values: ['x'] }];
    await expect(call('qlik_select_values', { selections })).rejects.toThrow(
      /selected nothing in A: it may be locked.*Selected now: nothing/,
    );
  });

  it('a null is nothing that could be selected, whatever its text', async () => {
    layout({ qFieldList: { qItems: [{ qName: 'A' }] }, qListObject: { qSize: { qcx: 1, qcy: 1 } } });
    fake.answers.GetListObjectData = () => ({ qDataPages: [{ qMatrix: [[{ qText: '-', qElemNumber: -2 }]] }] });
    await expect(call('qlik_select_values', { selections: [{ field: 'A', values: ['-'] }] })).rejects.toThrow(
      'Not found: "-" in A',
    );
  });

  it('many lines of an error are one', async () => {
    layout({ qFieldList: { qItems: [] } });
    fake.answers.CheckExpression = () => ({ qErrorMsg: "Error in expression:\n')' expected" });
    await expect(call('qlik_evaluate_expression', { expression: 'Sum(' })).rejects.toThrow(
      `"Sum(" is no valid expression: Error in expression: ')' expected.`,
    );
  });

  it('bookmarks are listed and applied', async () => {
    layout({ qBookmarkList: { qItems: [{ qInfo: { qId: 'b' }, qMeta: { title: 'North', description: 'up' } }] } });
    expect(await call('qlik_list_bookmarks', {})).toEqual({
      bookmarks: [{ id: 'b', title: 'North', description: 'up' }],
      total: 1,
    });
    expect(await call('qlik_apply_bookmark', { bookmarkId: 'b' })).toMatchObject({
      handle: expect.any(String),
      selections: [],
    });
  });

  it('a long script comes in parts that end with a line, and is whole together', async () => {
    const script = Array.from({ length: 3_000 }, (_, line) => `LET v${line} = ${line};`).join('\n');
    fake.answers.GetScript = () => ({ qScript: script });
    let read = '';
    let cursor: string | undefined;
    do {
      const part = await call('qlik_get_script', cursor === undefined ? {} : { cursor });
      expect(part.length).toBe(script.length);
      read += part.script;
      cursor = part.nextCursor as string | undefined;
      if (cursor !== undefined) expect(read.endsWith('\n')).toBe(true);
    } while (cursor !== undefined);
    expect(read).toBe(script);
  });

  it('an object of the session is destroyed when its call is cancelled', async () => {
    const leaving = new AbortController();
    fake.answers.GetLayout = () => undefined;
    const asked = fake.next('GetLayout');
    const running = world.call('qlik_list_sheets', { appId: APP }, { ...alice, signal: leaving.signal });
    await asked;
    const destroyed = fake.next('DestroySessionObject');
    leaving.abort(new Error('left'));
    await expect(running).rejects.toThrow('left');
    expect((await destroyed).params).toEqual(['s']);
  });

  it('and when it is cancelled while it is being made', async () => {
    const leaving = new AbortController();
    fake.answers.CreateSessionObject = () => undefined;
    const asked = fake.next('CreateSessionObject');
    const running = world.call('qlik_list_sheets', { appId: APP }, { ...alice, signal: leaving.signal });
    const { socket, id } = await asked;
    leaving.abort(new Error('left'));
    await expect(running).rejects.toThrow('left');
    const destroyed = fake.next('DestroySessionObject');
    socket.send(
      JSON.stringify({ id, result: { qReturn: { qType: 'GenericObject', qHandle: 9, qGenericId: 'late' } } }),
    );
    expect((await destroyed).params).toEqual(['late']);
  });
});
