import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import prom from 'prom-client';
import { parse } from 'yaml';
import { METRICS } from '../../src/telemetry/metricsTable.js';
import { SIGNALS } from '../../src/telemetry/signals.js';

interface Expression {
  readonly where: string;
  readonly text: string;
  /** Labels that a legend or a text names. */
  readonly shown: readonly string[];
}

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const ALERTS = 'deploy/prometheus/alerts.yaml';
const dashboard = JSON.parse(fs.readFileSync('deploy/grafana/drawbridge.json', 'utf8')) as { panels: Panel[] };
const rules = (parse(fs.readFileSync(ALERTS, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
const withoutPromtool = spawnSync('promtool', ['--version']).error && 'promtool is not installed (Debian: prometheus)';

const expressions: Expression[] = [
  ...dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({
      where: title,
      text: expr,
      shown: labelsShown(legendFormat, /\{\{(\w+)\}\}/g),
    })),
  ),
  ...rules.map(({ alert, expr, annotations }) => ({
    where: alert,
    text: expr,
    shown: labelsShown(Object.values(annotations).join(' '), /\$labels\.(\w+)/g),
  })),
];

/** Labels of every metric: ours, and those that prom-client has of the process. Whoever scrapes adds two. */
function labelsOf(name: string): readonly string[] | undefined {
  const ours = (METRICS as Record<string, { type: string; labels: readonly string[] }>)[
    name.replace(/_(bucket|sum|count)$/, '')
  ];
  const exact = (METRICS as Record<string, { labels: readonly string[] }>)[name];
  if (exact) return [...exact.labels, 'instance', 'job'];
  if (ours?.type === 'histogram' && ours !== exact) return [...ours.labels, 'le', 'instance', 'job'];
  return ofProcess.has(name) ? ['instance', 'job', 'version', 'kind', 'type', 'space'] : undefined;
}

const registry = new prom.Registry();
prom.collectDefaultMetrics({ register: registry });
const ofProcess = new Set(registry.getMetricsAsArray().map(({ name }) => name));
afterAll(() => registry.clear());

function labelsShown(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, label]) => label as string);
}

function metricsIn(text: string): string[] {
  return text.match(/\b(?:mcp|http|process|nodejs)_\w+/g) ?? [];
}

/** What is wrong with an expression, as far as the table of metrics knows. */
function faultsOf({ text, shown }: Omit<Expression, 'where'>): string[] {
  const metrics = metricsIn(text.replace(/\b(?:by|without) ?\([^)]*\)|\{[^}]*\}/g, ''));
  const strangers = metrics.filter((name) => !labelsOf(name)).map((name) => `no metric ${name}`);
  const known = new Set(metrics.flatMap((name) => labelsOf(name) ?? []));
  const selected = [...text.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, name = '', labels = '']) =>
    [...labels.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)]
      .filter(([, label = '']) => !labelsOf(name)?.includes(label))
      .map(([, label]) => `${name} has no label ${label}`),
  );
  const grouped = [...text.matchAll(/\bby ?\(([^)]*)\)/g)].map(([, labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  );
  const ungrouped = grouped
    .flat()
    .filter((label) => !known.has(label))
    .map((label) => `nothing to group by ${label}`);
  const lost = shown.filter((label) => (grouped.length > 0 ? !grouped.flat().includes(label) : !known.has(label)));
  const values = [...text.matchAll(/signal=~?"([^"]*)"/g)].flatMap(([, names = '']) => names.split('|'));
  const silent = values.filter((name) => !(name in SIGNALS)).map((name) => `no signal ${name}`);
  return [...strangers, ...selected, ...ungrouped, ...lost.map((label) => `shows ${label}, which is gone`), ...silent];
}

describe('the dashboard and the alerts', () => {
  it.each(expressions)('$where: metrics, labels and signals that there are', (expression) => {
    expect(metricsIn(expression.text).length).toBeGreaterThan(0);
    expect(faultsOf(expression)).toEqual([]);
  });

  it('would notice', () => {
    expect(faultsOf({ text: 'sum by (nothing) (rate(mcp_drawbridge_gone_total[5m]))', shown: ['credential'] })).toEqual(
      ['no metric mcp_drawbridge_gone_total', 'nothing to group by nothing', 'shows credential, which is gone'],
    );
    expect(faultsOf({ text: 'mcp_drawbridge_signals_total{signal="a.b",tenant="x"}', shown: [] })).toEqual([
      'mcp_drawbridge_signals_total has no label tenant',
      'no signal a.b',
    ]);
    expect(faultsOf({ text: 'mcp_drawbridge_requests_total_bucket', shown: [] })).toHaveLength(1);
  });

  it('show every metric of ours somewhere', () => {
    const shown = expressions.flatMap(({ text }) => metricsIn(text)).map((name) => name.replace(/_bucket$/, ''));
    expect(Object.keys(METRICS).filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('have panels that do not lie over each other, and alerts that say what to do', () => {
    const panels = dashboard.panels as unknown as { id: number; gridPos: { x: number; y: number } }[];
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size).toBe(panels.length);
    for (const { alert, annotations } of rules) {
      expect([alert, Object.keys(annotations).sort()]).toEqual([alert, ['description', 'summary']]);
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  (withoutPromtool ? it.skip : it)(`are rules to Prometheus (${withoutPromtool ?? 'promtool'})`, () => {
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', ALERTS], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});
