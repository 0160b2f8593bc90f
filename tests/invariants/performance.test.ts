import fs from 'node:fs';

interface Report {
  readonly command: string;
  readonly machine: string;
  readonly ratios: Readonly<Record<string, { readonly value: number }>>;
  readonly scenarios: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
}

const page = fs.readFileSync('docs/performance.md', 'utf8');
const report = JSON.parse(fs.readFileSync('bench/report.json', 'utf8')) as Report;

/** `scenario figure of / over` → the ratio, as the page has it. */
function told(): [string, string][] {
  const rows = page.matchAll(/^\| `([\w-]+)` \| `(\w+)` \| ([^|]+) \| ([\d.]+) \|/gm);
  return [...rows].map(([, scenario, figure, pair, value]) => [`${scenario} ${figure} ${pair}`, value as string]);
}

describe('docs/performance.md', () => {
  it('tells every ratio of the report, as it stands there', () => {
    const measured = Object.entries(report.ratios).map(([name, { value }]) => [name, value.toFixed(2)]);
    expect(told()).toEqual(measured);
  });

  it('says on which machine, and by which command', () => {
    expect(page).toContain(report.machine);
    expect(page).toContain(`\`${report.command}\``);
  });

  it('has the figures of the report in its tables', () => {
    const rows = page.matchAll(/^\| (drawbridge-production|bare-undici) \| ([\d.]+) \| ([\d,]+) \| ([\d.]+) \|$/gm);
    const call = [...rows].map(([, name, cpu]) => [name, cpu]);
    const json32 = report.scenarios['json-32'] ?? {};
    expect(call).toEqual(
      ['bare-undici', 'drawbridge-production'].map((name) => [name, json32[name]?.cpuUsPerRequest?.toFixed(1)]),
    );
  });
});
