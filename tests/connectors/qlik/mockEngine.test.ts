import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { type Engine, openEngine } from '../../helpers/mockEngine.js';

const SALES = '5a1e5a90-0001-4000-8000-000000000001';

describe('the engine of the mock', () => {
  let mock: MockQlik;
  let engine: Engine;

  beforeAll(async () => {
    mock = await startMockQlik();
    engine = await openEngine(mock, { app: SALES, user: 'user-ben' });
  });

  afterAll(async () => {
    await engine.close();
    await mock.close();
  });

  it('opens an app', async () => {
    expect(await engine.doc.getAppLayout()).toMatchObject({ qTitle: 'Sales', qHasData: true });
    expect(mock.count({ kind: 'frame', method: 'OpenDoc', who: 'auth0|ben', status: 0 })).toBe(1);
  });
});
