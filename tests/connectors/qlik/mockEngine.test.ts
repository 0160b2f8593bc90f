import WebSocket from 'ws';
import { type MockApp, type MockQlik, type MockQlikOptions, startMockQlik } from '../../../src/testing.js';
import { type Engine, type Opening, openEngine, type Remote } from '../../helpers/mockEngine.js';

const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const BUDGET = '5a1e5a90-0002-4000-8000-000000000002';

const page = (qHeight = 50, qWidth = 5) => ({ qTop: 0, qLeft: 0, qWidth, qHeight });
const listOf = (field: string) => ({
  qInfo: { qType: 'list' },
  qListObjectDef: { qDef: { qFieldDefs: [field] }, qInitialDataFetch: [page(50, 1)] },
});
const cubeOf = (dimensions: unknown[], measures: unknown[], more: object = {}) => ({
  qInfo: { qType: 'cube' },
  qHyperCubeDef: {
    qDimensions: dimensions.map((one) => (typeof one === 'string' ? { qDef: { qFieldDefs: [one] } } : one)),
    qMeasures: measures.map((one) => (typeof one === 'string' ? { qDef: { qDef: one } } : one)),
    qInitialDataFetch: [page()],
    ...more,
  },
});

interface Cell {
  readonly qText: string;
  readonly qNum: number | 'NaN';
  readonly qState: string;
  readonly qElemNumber: number;
}

const matrix = (layout: Remote, kind: 'qHyperCube' | 'qListObject') =>
  (layout as unknown as Record<string, { qDataPages: { qMatrix: Cell[][] }[] }>)[kind]?.qDataPages[0]?.qMatrix ?? [];
const texts = (rows: readonly (readonly Cell[])[]) => rows.map((row) => row.map(({ qText }) => qText).join(' '));

describe('the engine of the mock', () => {
  let mock: MockQlik;
  const engines: Engine[] = [];

  const start = async (options?: MockQlikOptions) => {
    mock = await startMockQlik(options);
  };
  const open = async (opening: Partial<Opening> = {}) => {
    const engine = await openEngine(mock, { app: SALES, user: 'user-ben', ...opening });
    engines.push(engine);
    return engine;
  };
  const evaluated = async ({ doc }: Engine, expression: string) =>
    (await doc.evaluateEx(expression)) as unknown as { readonly qText: string; readonly qNumber: number };
  const rows = async ({ doc }: Engine, properties: object) => {
    const object = await doc.createSessionObject(properties);
    const found = matrix(await object.getLayout(), 'qHyperCube');
    await doc.destroySessionObject(object.id);
    return texts(found);
  };
  const selected = async ({ doc }: Engine) => {
    const object = await doc.createSessionObject({ qInfo: { qType: 'now' }, qSelectionObjectDef: {} });
    const { qSelectionObject } = (await object.getLayout()) as unknown as {
      qSelectionObject: { qSelections: { qField: string; qSelected: string }[] };
    };
    return qSelectionObject.qSelections.map(({ qField, qSelected }) => `${qField}: ${qSelected}`);
  };

  beforeEach(() => start());

  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    await mock.close();
  });

  it('tells of tables, keys and fields', async () => {
    const { doc } = await open();
    const size = { qcx: 0, qcy: 0 };
    expect(await doc.getTablesAndKeys(size, size, 0, false, false)).toMatchObject({
      qtr: [
        { qName: 'Orders', qNoOfRows: 60 },
        { qName: 'Customers', qNoOfRows: 6 },
      ],
      qk: [{ qKeyFields: ['Customer'], qTables: ['Orders', 'Customers'] }],
    });
    const list = await doc.createSessionObject({ qInfo: { qType: 'FieldList' }, qFieldListDef: {} });
    expect(await list.getLayout()).toMatchObject({
      qFieldList: { qItems: expect.arrayContaining([expect.objectContaining({ qName: 'Region', qCardinal: 4 })]) },
    });
  });

  it('lists master items, variables and sheets with what was asked for of them', async () => {
    const { doc } = await open();
    const all = await doc.createSessionObject({
      qInfo: { qType: 'all' },
      qMeasureListDef: { qType: 'measure', qData: { title: '/qMetaDef/title', measure: '/qMeasure' } },
      qDimensionListDef: { qType: 'dimension', qData: { grouping: '/qDim/qGrouping' } },
      qVariableListDef: { qType: 'variable', qData: { comment: '/qComment' } },
      qAppObjectListDef: { qType: 'sheet', qData: { cells: '/cells' } },
    });
    expect(await all.getLayout()).toMatchObject({
      qMeasureList: {
        qItems: [{ qData: { title: 'Revenue', measure: { qDef: 'Sum(Amount)' } } }, {}],
      },
      qDimensionList: { qItems: [{ qMeta: { title: 'Sales region' } }, { qData: { grouping: 'H' } }] },
      qVariableList: { qItems: [{ qName: 'vTarget', qDefinition: '5000' }, { qName: 'vTotal' }] },
      qAppObjectList: {
        qItems: [{ qInfo: { qId: 'sheet-overview' }, qData: { cells: [{ name: 'chart-region' }] } }, {}],
      },
    });
  });

  it('has sheets with charts, whose data follows from their master items', async () => {
    const { doc } = await open();
    const sheet = await doc.getObject('sheet-overview');
    expect(await sheet.getChildInfos()).toEqual([{ qId: 'chart-region', qType: 'barchart' }]);
    const chart = await doc.getObject('chart-region');
    const layout = await chart.getLayout();
    expect(layout).toMatchObject({
      title: 'Revenue by region',
      qHyperCube: {
        qSize: { qcx: 2, qcy: 4 },
        qDimensionInfo: [{ qFallbackTitle: 'Sales region' }],
        qMeasureInfo: [{ qFallbackTitle: 'Revenue', qMin: 4350, qMax: 4800 }],
        qGrandTotalRow: [{ qNum: 18_300 }],
      },
    });
    expect(await chart.getEffectiveProperties()).toMatchObject({ visualization: 'barchart' });
    await expect(doc.getObject('nothing')).rejects.toThrow('Object not found');
  });

  it.each([
    ['Sum(Amount)', '18300'],
    ['Avg(Amount) * 2', '610'],
    ["Min(Amount) & '–' & Max(Amount)", '10–600'],
    ['Count(OrderID)', '60'],
    ['Count(DISTINCT Region)', '4'],
    ['Count(DISTINCT Customer)', '6'],
    ["Sum({<Region={'North'}>} Amount)", '4800'],
    ["Sum({1<Region={'N*', 'South'}>} Amount)", '9150'],
    ["Sum({<Customer={'?c*e', '*mb*r'}>} Amount)", '7680'],
    ["If('abcabd' like '*ab*ab?' and not 'abc' like 'ab', 1, 0)", '1'],
    [`If('${'a'.repeat(60)}b' like '${'*a'.repeat(25)}', 1, 0)`, '0'],
    ['Sum(Credit)', '21000'],
    ['$(vTotal) / vTarget', '3.66'],
    ["If(Sum(Amount) > 100 and not 1 = 2, 'much', 'little')", 'much'],
    ['=Sum([Amount]) - (1 + 2)', '18297'],
    ['Region', '-'],
    ['Sum(Amonut)', '-'],
    ['1 / 0', '-'],
  ])('reckons %s', async (expression, text) => {
    expect((await evaluated(await open(), expression)).qText).toBe(text);
  });

  it('says what is wrong with an expression, and which fields the app has not', async () => {
    const { doc } = await open();
    expect(await doc.checkExpression('Sum(Amount)')).toEqual({
      qErrorMsg: '',
      qBadFieldNames: [],
      qDangerousFieldNames: [],
    });
    expect(await doc.checkExpression('Sum(Amount')).toMatchObject({ qErrorMsg: expect.stringContaining('too early') });
    expect(await doc.checkExpression('Nothing(Amount)')).toMatchObject({
      qErrorMsg: expect.stringContaining('nothing'),
    });
    expect(await doc.checkExpression('Sum(Amonut)')).toMatchObject({ qBadFieldNames: [{ qFrom: 4, qCount: 6 }] });
  });

  it('counts a row of a table once, whatever it is joined to', async () => {
    const engine = await open();
    expect(await rows(engine, cubeOf(['Country'], ['Sum(Credit)', 'Sum(Amount)']))).toEqual([
      'Denmark 7000 7200',
      'Sweden 4000 7440',
      'Norway 10000 3660',
    ]);
  });

  it('leaves out, sorts and pages as a cube says', async () => {
    const engine = await open();
    const byName = { qDef: { qFieldDefs: ['Customer'], qSortCriterias: [{ qSortByAscii: -1 }] } };
    expect(await rows(engine, cubeOf([byName], ['Sum(Amount)']))).toEqual([
      'Fjord 0',
      'Ember 3780',
      'Delta 3660',
      'Cedar 3540',
      'Birch 3420',
      'Acme 3900',
    ]);
    expect(await rows(engine, cubeOf(['Customer'], ['Sum(Amount)'], { qSuppressZero: true }))).toHaveLength(5);
    const bySum = { qDef: { qDef: 'Sum(Amount)' }, qSortBy: { qSortByNumeric: -1 } };
    const top = cubeOf(['Region'], [bySum], { qInterColumnSortOrder: [1, 0], qInitialDataFetch: [page(2)] });
    expect(await rows(engine, top)).toEqual(['North 4800', 'West 4650']);
    const object = await engine.doc.createSessionObject(cubeOf(['OrderID'], ['Sum(Amount)']));
    const [second] = (await object.getHyperCubeData('/qHyperCubeDef', [
      { qTop: 58, qLeft: 0, qWidth: 2, qHeight: 10 },
    ])) as unknown as { qMatrix: Cell[][] }[];
    expect(texts(second?.qMatrix ?? [])).toEqual(['59 590', '60 600']);
  });

  it('refuses more than 10,000 cells in one call', async () => {
    const { doc } = await open();
    const object = await doc.createSessionObject(cubeOf(['OrderID'], ['Sum(Amount)']));
    await object.getHyperCubeData('/qHyperCubeDef', [page(5000, 2)]);
    await expect(object.getHyperCubeData('/qHyperCubeDef', [page(5001, 2)])).rejects.toMatchObject({ code: 7009 });
    await expect(object.getHyperCubeData('/nothing', [page()])).rejects.toMatchObject({ code: 4 });
  });

  it('hands out a large cube in pages, and another one once something is selected', async () => {
    await mock.close();
    const rows = Array.from({ length: 20_000 }, (_, Id) => ({ Id, Value: Id % 7 }));
    await start({ apps: [{ id: 'large', name: 'Large', ownerId: 'user-ben', tables: { Rows: rows } }] });
    const { doc } = await open({ app: 'large' });
    const object = await doc.createSessionObject(cubeOf(['Id', 'Value'], Array(8).fill('Sum(Value)')));
    for (let qTop = 0; qTop < 20_000; qTop += 1000) {
      const [cut] = (await object.getHyperCubeData('/qHyperCubeDef', [
        { qTop, qLeft: 0, qWidth: 10, qHeight: 1000 },
      ])) as unknown as { qMatrix: Cell[][] }[];
      expect(cut?.qMatrix[999]?.[0]?.qText).toBe(String(qTop + 999));
    }
    await (await doc.getField('Id')).select('>=19999');
    const [cut] = (await object.getHyperCubeData('/qHyperCubeDef', [page()])) as unknown as { qMatrix: Cell[][] }[];
    expect(cut?.qMatrix.map((row) => row[0]?.qText)).toEqual(['19999']);
  });

  it('says by number what a cube can not reckon', async () => {
    const { doc } = await open();
    const error = async (properties: object) => (await doc.createSessionObject(properties)).getLayout();
    const coded = (qErrorCode: number) => ({ qHyperCube: { qError: { qErrorCode } } });
    expect(await error(cubeOf(['Region'], ['Sum(']))).toMatchObject(coded(7000));
    expect(await error(cubeOf([{ qLibraryId: 'gone' }], ['1']))).toMatchObject(coded(7001));
    expect(await error(cubeOf(['Region'], ['1'], { qCalcCond: { qv: '1 = 2' } }))).toMatchObject(coded(7005));
  });

  it('narrows everything to what is selected, and clears it again', async () => {
    const engine = await open();
    const list = await engine.doc.createSessionObject(listOf('Region'));
    expect(await list.selectListObjectValues('/qListObjectDef', [3], false)).toBe(true);
    const states = matrix(await list.getLayout(), 'qListObject').map(([cell]) => `${cell?.qText} ${cell?.qState}`);
    expect(states).toEqual(['South A', 'East A', 'West A', 'North S']);
    expect((await evaluated(engine, 'Sum(Amount)')).qNumber).toBe(4800);
    expect(await selected(engine)).toEqual(['Region: North']);
    expect(await rows(engine, cubeOf(['Region'], ['Sum(Amount)']))).toEqual(['North 4800']);
    await engine.doc.clearAll();
    expect(await selected(engine)).toEqual([]);
  });

  it('reaches other tables by their key: a country leaves its customers possible', async () => {
    const engine = await open();
    const field = await engine.doc.getField('Country');
    expect(await field.selectValues([{ qText: 'Norway' }])).toBe(true);
    const customers = await engine.doc.createSessionObject(listOf('Customer'));
    const possible = matrix(await customers.getLayout(), 'qListObject')
      .flat()
      .filter(({ qState }) => qState === 'O');
    expect(possible.map(({ qText }) => qText).sort()).toEqual(['Delta', 'Fjord']);
    expect(await (await engine.doc.getField('OrderID')).select('<=5')).toBe(true);
    expect((await evaluated(engine, 'Sum(Amount)')).qNumber).toBe(30);
    await field.clear();
    expect((await evaluated(engine, 'Sum(Amount)')).qNumber).toBe(150);
  });

  it('keeps a locked field as it is', async () => {
    const engine = await open();
    const field = await engine.doc.getField('Region');
    await field.select('North');
    await field.lock();
    expect(await field.select('South')).toBe(false);
    await engine.doc.clearAll();
    expect(await selected(engine)).toEqual(['Region: North']);
    await engine.doc.clearAll(true);
    expect(await selected(engine)).toEqual([]);
  });

  it('selects nothing where there is nothing such, and where a fault says so, which looks like success', async () => {
    const engine = await open();
    const list = await engine.doc.createSessionObject(listOf('Region'));
    expect(await list.selectListObjectValues('/qListObjectDef', [99], false)).toBe(false);
    mock.faults.selectNothing();
    expect(await list.selectListObjectValues('/qListObjectDef', [1], false)).toBe(true);
    expect(await selected(engine)).toEqual([]);
    await list.selectListObjectValues('/qListObjectDef', [1], false);
    expect(await selected(engine)).toEqual(['Region: East']);
  });

  it('tells who looks at an object that it has changed', async () => {
    const { doc } = await open();
    const list = await doc.createSessionObject(listOf('Region'));
    const changed = new Promise<void>((resolve) => list.on('changed', resolve));
    await (await doc.getField('Product')).select('Anvil');
    await changed;
  });

  it('opens an app on the selection that it was saved with', async () => {
    expect(await selected(await open({ app: BUDGET, user: 'user-cem' }))).toEqual(['Year: 2026']);
  });

  it('gives sockets of one user one session, but another to each identity and to each user', async () => {
    const [one, same] = [await open(), await open()];
    const [apart, other] = [await open({ identity: 'a' }), await open({ user: 'user-cem' })];
    await (await one.doc.getField('Region')).select('North');
    expect(await selected(same)).toEqual(['Region: North']);
    expect(await selected(apart)).toEqual([]);
    expect(await selected(other)).toEqual([]);
    expect(mock.engineSessions).toBe(3);
  });

  it('keeps a session for its time to live', async () => {
    const first = await openEngine(mock, { app: SALES, ttl: 60 });
    await (await first.doc.getField('Region')).select('North');
    await first.close();
    expect(await selected(await open({ ttl: 60 }))).toEqual(['Region: North']);
  });

  it('lets those who edit an app change its script, and shows it to nobody else', async () => {
    const [ben, cem] = [await open(), await open({ user: 'user-cem' })];
    expect(await ben.doc.getScript()).toContain('LOAD OrderID');
    expect(await ben.doc.checkScriptSyntax()).toEqual([]);
    await ben.doc.setScript('SET a=1;\n///$tab Two\nLAOD x FROM y;');
    expect(await ben.doc.checkScriptSyntax()).toMatchObject([{ qTabIx: 0, qErrLen: 13 }]);
    await ben.doc.doSave();
    await expect(cem.doc.getScript()).rejects.toMatchObject({ code: 5 });
    await expect(cem.doc.setScript('')).rejects.toMatchObject({ code: 5 });
  });

  it('gives variables a value in one session, and leaves their definition', async () => {
    const [ben, apart] = [await open(), await open({ identity: 'a' })];
    const variable = await ben.doc.getVariableByName('vTarget');
    await variable.setStringValue('7');
    expect((await evaluated(ben, 'vTarget + 1')).qNumber).toBe(8);
    expect((await evaluated(apart, 'vTarget + 1')).qNumber).toBe(5001);
    expect(await variable.getLayout()).toMatchObject({ qText: '7', qNum: 7 });
  });

  it('creates objects that everybody sees, and session objects that nobody else does', async () => {
    const [ben, cem] = [await open(), await open({ user: 'user-cem' })];
    const sheet = { qInfo: { qId: 'mine', qType: 'sheet' }, qMetaDef: { title: 'Mine' } };
    await ben.doc.createObject(sheet);
    expect(await (await cem.doc.getObject('mine')).getProperties()).toMatchObject({ qMetaDef: { title: 'Mine' } });
    await ben.doc.createSessionObject({ qInfo: { qId: 'private', qType: 'x' } });
    await expect(cem.doc.getObject('private')).rejects.toThrow('Object not found');
    await expect(cem.doc.createObject({ ...sheet, qInfo: { qType: 'sheet' } })).rejects.toMatchObject({ code: 5 });
    expect(await ben.doc.destroyObject('mine')).toBe(true);
  });

  it('joins tables that share nothing not at all: a selection in one says nothing of the other', async () => {
    await mock.close();
    const tables = { One: [{ A: 1 }, { A: 2 }], Two: [{ B: 10 }, { B: 20 }] };
    const app: MockApp = { id: 'islands', name: 'Islands', ownerId: 'user-ben', tables };
    await start({ apps: [app] });
    const engine = await open({ app: 'islands' });
    await (await engine.doc.getField('A')).select('1');
    expect((await evaluated(engine, "Sum(A) & ' ' & Sum(B)")).qText).toBe('1 30');
  });

  describe('sockets', () => {
    const closed = (token: string | undefined, path = `/app/${SALES}`) =>
      new Promise<string>((resolve) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const socket = new WebSocket(mock.origin.replace('http', 'ws') + path, { headers });
        socket.on('unexpected-response', (_, response) => resolve(`HTTP ${response.statusCode}`));
        socket.on('close', (code) => resolve(String(code)));
      });

    it('are refused without a token, and closed for an app that is not there or not theirs', async () => {
      const dee = await mock.mint('user-dee');
      expect(await closed(undefined)).toBe('HTTP 401');
      expect(await closed('nothing')).toBe('HTTP 401');
      expect(await closed(dee, '/app/nothing')).toBe('4204');
      expect(await closed(dee)).toBe('4203');
      expect(await closed(dee, '/elsewhere')).toBe('HTTP 404');
    });

    it('are closed with 4005 when a user has too many sessions', async () => {
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((identity) => open({ identity })));
      expect(await closed(await mock.mint('user-ben'), `/app/${SALES}/identity/f`)).toBe('4005');
      await open({ identity: 'a' });
    });

    it('are closed with 4001 when they are silent', async () => {
      await mock.close();
      await start({ engineIdleMs: 150 });
      expect(await closed(await mock.mint('user-ben'))).toBe('4001');
    });

    it.each([4001, 4005, 4006, 4203, 4204, 4205, 4230, 4240])(
      'are closed with %i in the middle of a call',
      async (code) => {
        const engine = await open();
        const left = new Promise<{ readonly code: number }>((resolve) => engine.session.on('closed', resolve));
        mock.faults.closeOn('EvaluateEx', code);
        await expect(engine.doc.evaluateEx('1')).rejects.toMatchObject({ code: -1 });
        expect(await left).toMatchObject({ code });
      },
    );

    it('are closed all at once, or as soon as they are open', async () => {
      const engine = await open();
      const left = new Promise<{ readonly code: number }>((resolve) => engine.session.on('closed', resolve));
      mock.faults.closeSockets(4240);
      expect(await left).toMatchObject({ code: 4240 });
      mock.faults.closeNextSockets(4230);
      expect(await closed(await mock.mint('user-ben'))).toBe('4230');
    });

    it('answer unknown methods, handles and parameters by number', async () => {
      const token = await mock.mint('user-ben');
      const socket = new WebSocket(`${mock.origin.replace('http', 'ws')}/app/${SALES}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const heard: { id?: number; method?: string; error?: { code: number } }[] = [];
      await new Promise<void>((resolve) => {
        socket.on('message', (data) => {
          heard.push(JSON.parse(String(data)));
          if (heard.length === 1) {
            socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, handle: -1, method: 'Nothing', params: [] }));
            socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, handle: 77, method: 'OpenDoc', params: [SALES] }));
            socket.send(JSON.stringify({ jsonrpc: '2.0', id: 3, handle: -1, method: 'OpenDoc', params: [7] }));
            socket.send(
              JSON.stringify({ jsonrpc: '2.0', id: 4, handle: -1, method: 'OpenDoc', params: { qDocName: 'other' } }),
            );
            socket.send('no JSON');
          }
          if (heard.length === 6) resolve();
        });
      });
      socket.close();
      expect(heard[0]).toMatchObject({ method: 'OnConnected', params: { qSessionState: 'SESSION_CREATED' } });
      expect(heard.slice(1).map(({ error }) => error?.code)).toEqual([-32601, -32600, -32602, 1003, -32700]);
    });

    it('answer errors and wait where a test asks for it', async () => {
      const { doc } = await open();
      mock.faults.refuse('EvaluateEx', 15);
      await expect(doc.evaluateEx('1')).rejects.toMatchObject({ code: 15 });
      mock.faults.delayMethod('EvaluateEx', 60);
      const before = performance.now();
      await doc.evaluateEx('1');
      expect(performance.now() - before).toBeGreaterThan(50);
    });

    it('are counted, with each call on them', async () => {
      const engine = await open();
      await engine.doc.evaluateEx('1');
      expect(mock.openSockets).toBe(1);
      expect(mock.count({ kind: 'socket', who: 'auth0|ben', status: 101 })).toBe(1);
      expect(mock.count({ kind: 'frame', method: 'OpenDoc', status: 0 })).toBe(1);
      expect(mock.count({ kind: 'frame', method: 'EvaluateEx', socket: 1 })).toBe(1);
    });
  });
});
