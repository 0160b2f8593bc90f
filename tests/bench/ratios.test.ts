type Rounds = ReadonlyMap<string, readonly object[]>;
type Ratios = Readonly<Record<string, { readonly value: number; readonly quiet?: number }>>;

/** The benchmark runs as it stands, without a build: it has no types. */
const load = (name: string) => import(new URL(`../../bench/${name}`, import.meta.url).href);
const { pairedRatio } = (await load('figures.mjs')) as {
  pairedRatio(rounds: Rounds | undefined, figure: string, of: string, over: string): number | undefined;
};
const { ratiosOf } = (await load('ratios.mjs')) as { ratiosOf(figures: object, rounds: object): Ratios };

const round = (cpuUs: number, p50Us: number) => ({ cpuUs, requests: 1, p50Us });

/** A machine that turned twice as slow for the second round, and hiccuped in the third. */
const rounds = new Map([
  ['direct', [round(1, 1), round(2, 2), round(1, 1)]],
  ['drawbridge-production', [round(30, 4), round(60, 8), round(30, 4)]],
  ['bare-undici', [round(20, 3), round(40, 6), round(200, 30)]],
]);

describe('a ratio', () => {
  it('is that of the rounds, so that a machine which changes its speed changes no ratio', () => {
    expect(pairedRatio(rounds, 'cpuUsPerRequest', 'drawbridge-production', 'bare-undici')).toBe(1.5);
    expect(pairedRatio(rounds, 'addedP50Us', 'drawbridge-production', 'bare-undici')).toBe(1.5);
  });

  it('is none where rounds don’t have the figure, or too few of them say anything', () => {
    expect(pairedRatio(rounds, 'heapKiBPerStream', 'drawbridge-production', 'bare-undici')).toBeUndefined();
    expect(pairedRatio(rounds, 'addedP50Us', 'direct', 'bare-undici')).toBeUndefined();
    expect(pairedRatio(undefined, 'cpuUsPerRequest', 'drawbridge-production', 'bare-undici')).toBeUndefined();
  });

  it('of processor time is told of each side’s best rounds, too', () => {
    const slow = new Map([...rounds, ['drawbridge-production', [round(90, 4), round(60, 8), round(36, 4)]]]);
    const ratios = ratiosOf({}, { 'json-32': slow, 'open-1000': slow });
    expect(ratios['json-32 cpuUsPerRequest drawbridge-production / bare-undici']).toMatchObject({
      value: 1.5,
      quiet: 1.8,
    });
    const added = ratios['open-1000 addedP50Us drawbridge-production / bare-undici'];
    expect([added?.value, added?.quiet]).toEqual([1.5, undefined]);
  });

  it('falls back on the figures themselves', () => {
    const figures = {
      'idle-5000': { 'drawbridge-production': { heapKiBPerStream: 11 }, 'bare-undici': { heapKiBPerStream: 10 } },
    };
    const names = Object.entries(ratiosOf(figures, { 'json-32': rounds })).map(([name, { value }]) => [name, value]);
    expect(Object.fromEntries(names)).toEqual({
      'json-32 cpuUsPerRequest drawbridge-production / bare-undici': 1.5,
      'idle-5000 heapKiBPerStream drawbridge-production / bare-undici': 1.1,
    });
  });
});
