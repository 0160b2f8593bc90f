import fs from 'node:fs';

interface Report {
  readonly command: string;
  readonly ratios: Readonly<Record<string, { readonly value: number; readonly target?: number }>>;
}

const { filled } = (await import(new URL('../../bench/page.mjs', import.meta.url).href)) as {
  filled(page: string, report: unknown): string;
};
const page = fs.readFileSync('docs/performance.md', 'utf8');
const report = JSON.parse(fs.readFileSync('bench/report.json', 'utf8')) as Report;

describe('docs/performance.md', () => {
  it('tells the figures of the report, as they stand there: else npm run bench:page', () => {
    expect(page).toBe(filled(page, report));
  });

  it('tells every ratio', () => {
    const rows = page.matchAll(/^\| `([\w-]+)` \| `(\w+)` \| ([^|]+) \| ([\d.]+) \|/gm);
    const told = [...rows].map(([, scenario, figure, pair, value]) => [`${scenario} ${figure} ${pair}`, value]);
    const measured = Object.entries(report.ratios).map(([name, { value }]) => [name, value.toFixed(2)]);
    expect(told.sort()).toEqual(measured.sort());
  });

  it('is of a whole run', () => {
    expect(report.command).toBe('npm run bench');
  });

  it('has no figures by a name that nobody knows', () => {
    const unknown = '<!-- figures: nothing -->\n<!-- end of figures -->';
    expect(() => filled(unknown, report)).toThrow('nothing is none of made, ratios');
  });
});
