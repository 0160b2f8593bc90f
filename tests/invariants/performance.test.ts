import fs from 'node:fs';

interface Report {
  readonly command: string;
  readonly machine: string;
  readonly ratios: Readonly<Record<string, { readonly value: number }>>;
  readonly scenarios: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
}

const page = fs.readFileSync('docs/performance.md', 'utf8');
const read = (file: string) => JSON.parse(fs.readFileSync(file, 'utf8')) as Report;
const report = read('bench/report.json');
/** Bridges have a run of their own, and so have toolsets. */
const bridges = read('bench/stdio/report.json');
const toolsets = read('bench/qlik/report.json');

/** `scenario figure of / over` → the ratio, as the page has it. */
function told(): [string, string][] {
  const rows = page.matchAll(/^\| `([\w-]+)` \| `(\w+)` \| ([^|]+) \| ([\d.]+) \|/gm);
  return [...rows].map(([, scenario, figure, pair, value]) => [`${scenario} ${figure} ${pair}`, value as string]);
}

describe('docs/performance.md', () => {
  it('tells every ratio of the report, as it stands there', () => {
    const ratios = { ...report.ratios, ...bridges.ratios, ...toolsets.ratios };
    const measured = Object.entries(ratios).map(([name, { value }]) => [name, value.toFixed(2)]);
    expect(told()).toEqual(measured);
  });

  it.each([report, bridges, toolsets])('says on which machine, and by which command', ({ machine, command }) => {
    expect(page).toContain(machine);
    expect(page).toContain(`\`${command}\``);
  });

  it('has the figures of the tenant in its table', () => {
    const rows = page.matchAll(/^\| (opening the app|first call|second call) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|/gm);
    const reuse = toolsets.scenarios['qlik-reuse'] ?? {};
    const keys = ['tokenRequests', 'sockets', 'openDocs', 'engineCalls'];
    const counted = Object.entries(reuse).map(([step, figures]) => [step, ...keys.map((key) => String(figures[key]))]);
    expect([...rows].map(([, ...cells]) => cells)).toEqual(counted);
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
