import { quotasSchema } from '../../src/policy/quotasSchema.js';
import { parseCallPattern, parseRate } from '../../src/policy/rate.js';

describe('a rate', () => {
  it.each([
    ['1/s', { count: 1, periodMs: 1000, burst: 1 }],
    ['600/m burst 50', { count: 600, periodMs: 60_000, burst: 50 }],
    ['5/h', { count: 5, periodMs: 3_600_000, burst: 5 }],
    ['100/d burst 1', { count: 100, periodMs: 86_400_000, burst: 1 }],
  ])('%s', (text, rate) => expect(parseRate(text)).toEqual(rate));

  it.each(['', '0/s', '-1/s', '1.5/s', '1/w', '1 /s', '1/s burst', '1/s burst 0', '1e3/s', '1/s\n', '9999999999/s'])(
    '%j is none',
    (text) => expect(parseRate(text)).toBeUndefined(),
  );
});

describe('a rule', () => {
  it.each([
    ['qlik/tools/call:qlik_*', { destination: 'qlik', method: 'tools/call', name: 'qlik_*' }],
    ['*/resources/read:file:///a/b', { destination: '*', method: 'resources/read', name: 'file:///a/b' }],
    ['qlik/tools/*', { destination: 'qlik', method: 'tools/*', name: undefined }],
    ['qlik/*', { destination: 'qlik', method: '*', name: undefined }],
  ])('%s', (text, pattern) => expect(parseCallPattern(text)).toEqual(pattern));

  it.each(['', 'qlik', 'qlik/', '/tools/call', 'qlik:x', 'qlik/tools/call:', '__proto__/x', `q/${'x'.repeat(129)}`])(
    '%j is none',
    (text) => expect(parseCallPattern(text)).toBeUndefined(),
  );
});

describe('quotas in a configuration', () => {
  it('may name any of its limits, or none', () => {
    expect(quotasSchema.parse({})).toEqual({ perDestination: {}, perTool: {}, concurrent: { perDestination: {} } });
    const whole = {
      perAddress: '1200/m',
      perCaller: '600/m',
      perTenant: '6000/m',
      perDestination: { qlik: '100/s' },
      perTool: { 'qlik/tools/call:qlik_start_app_reload': '5/m' },
      concurrent: { perCaller: 20, perTenant: '100', perDestination: { qlik: 50 } },
      shed: { lagMs: 250 },
      store: 'shared',
    };
    expect(quotasSchema.parse(whole)).toMatchObject({ concurrent: { perTenant: 100 }, shed: { lagMs: 250 } });
  });

  it.each([
    [{ perCaler: '1/s' }, 'perCaler'],
    [{ perCaller: 600 }, 'string'],
    [{ perCaller: 'many' }, 'must be a rate'],
    [{ perDestination: { 'a/b': '1/s' } }, 'must be the name of a destination'],
    [{ perTool: { qlik: '1/s' } }, 'must be <destination>/<method>'],
    [{ concurrent: { perCaller: 0 } }, '1'],
    [{ shed: {} }, 'lagMs'],
  ])('%j is a fault', (options, message) => {
    const { error } = quotasSchema.safeParse(options);
    expect(JSON.stringify(error?.issues)).toContain(message);
  });
});
