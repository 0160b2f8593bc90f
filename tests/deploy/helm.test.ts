import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { load } from '../config/loadConfig.js';
import { type Data, GoTemplates } from '../helpers/goTemplate.js';
import { args, isProbe } from './program.js';

const CHART = 'deploy/helm/mcp-drawbridge';
const withoutHelm = spawnSync('helm', ['version']).error && 'helm is not installed';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
}
/** Whatever YAML says. */
type Manifest = ReturnType<typeof parse>;

const read = (name: string) => fs.readFileSync(path.join(CHART, name), 'utf8');
const values = parse(read('values.yaml')) as Data;
const schema = JSON.parse(read('values.schema.json')) as Schema;
const chart = parse(read('Chart.yaml')) as Record<string, string>;
const files = fs.readdirSync(path.join(CHART, 'templates'));

/** Not Helm: a stand-in for the part of its language that the chart keeps to. */
function render(changed: Data = {}): Map<string, Manifest> {
  const { rendered } = renderAll(changed);
  return new Map(rendered.map((manifest) => [manifest.kind as string, manifest]));
}

function renderAll(changed: Data) {
  const templates = new GoTemplates();
  const data = {
    Values: { ...values, ...changed },
    Release: { Name: 'demo', Namespace: 'tools', Service: 'Helm' },
    Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
  };
  const parsed = [...files].sort().map((file) => ({ file, nodes: templates.parse(read(`templates/${file}`)) }));
  const texts = parsed.filter(({ file }) => file.endsWith('.yaml')).map(({ nodes }) => templates.render(nodes, data));
  const rendered = texts
    .flatMap((text) => parseAllDocuments(text))
    .map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Manifest;
    });
  return { rendered: rendered.filter(Boolean), named: templates.named };
}

const everything: Data = {
  ingress: { ...(values.ingress as Data), enabled: true, className: 'nginx', tls: [{ hosts: ['a'], secretName: 's' }] },
  serviceMonitor: { ...(values.serviceMonitor as Data), enabled: true, labels: { release: 'prometheus' } },
  env: [{ name: 'A', value: 'b' }],
  imagePullSecrets: [{ name: 'registry' }],
  nodeSelector: { a: 'b' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  topologySpreadConstraints: [{ maxSkew: 1 }],
  podAnnotations: { a: 'b' },
  podLabels: { team: 'x' },
  secrets: { existing: '', values: { SESSION_KEY: 'x'.repeat(32) } },
};

describe('the Helm chart (rendered by a stand-in for Helm)', () => {
  it('makes every kind once', () => {
    const kinds = renderAll(everything).rendered.map(({ kind }) => kind as string);
    expect(kinds.sort()).toEqual(
      'ConfigMap Deployment HorizontalPodAutoscaler Ingress NetworkPolicy PodDisruptionBudget Secret Service ServiceAccount ServiceMonitor'.split(
        ' ',
      ),
    );
    expect([...render().keys()]).not.toContain('Ingress');
  });

  it('names no value that there is not, and has none that nothing names', () => {
    const { named } = renderAll(everything);
    const used = [...named];
    for (const name of used) {
      const [first = '', second] = name.split('.');
      expect([name, second === undefined ? values[first] : (values[first] as Data)[second]]).not.toEqual([
        name,
        undefined,
      ]);
    }
    const unused = leaves(values, 2).filter(
      (leaf) => !used.some((name) => leaf === name || leaf.startsWith(`${name}.`) || name.startsWith(`${leaf}.`)),
    );
    expect(unused).toEqual([]);
  });

  it('has a schema that knows every value, and no other', () => {
    expect(
      Object.keys(schema.properties ?? {})
        .filter((key) => key !== 'global')
        .sort(),
    ).toEqual(Object.keys(values).sort());
    for (const [key, part] of Object.entries(schema.properties ?? {})) {
      if (part.additionalProperties !== false) continue;
      expect([key, Object.keys(part.properties ?? {}).sort()]).toEqual([key, Object.keys(values[key] as Data).sort()]);
    }
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(values)).toEqual(expect.arrayContaining([...(schema.required ?? [])]));
  });

  it('selects its own pods everywhere, by what does not change with a version', () => {
    const all = render(everything);
    const pod = all.get('Deployment').spec.template.metadata.labels;
    const selectors = [
      all.get('Deployment').spec.selector.matchLabels,
      all.get('Service').spec.selector,
      all.get('PodDisruptionBudget').spec.selector.matchLabels,
      all.get('NetworkPolicy').spec.podSelector.matchLabels,
      all.get('ServiceMonitor').spec.selector.matchLabels,
    ];
    for (const selector of selectors) {
      expect(pod).toMatchObject(selector);
      expect(Object.keys(selector).sort()).toEqual(['app.kubernetes.io/instance', 'app.kubernetes.io/name']);
    }
    expect(all.get('HorizontalPodAutoscaler').spec.scaleTargetRef.name).toBe(all.get('Deployment').metadata.name);
    expect(all.get('Deployment').spec.template.spec.volumes[0].configMap.name).toBe(all.get('ConfigMap').metadata.name);
  });

  it('runs the program as it is: its flags, its probes, its port', async () => {
    const { spec } = render().get('Deployment').spec.template;
    const [container] = spec.containers;
    expect(args.unknown(container.args)).toEqual([]);
    expect(args.port(container.args)).toBe(container.ports[0].containerPort);
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      expect(isProbe(container[probe].httpGet.path)).toBe(true);
      expect(container[probe].httpGet.port).toBe(container.ports[0].name);
    }
    expect(render(everything).get('ServiceMonitor').spec.endpoints[0]).toMatchObject({
      port: 'http',
      path: '/metrics',
    });
  });

  it('gives a pod time to drain', () => {
    const { spec } = render().get('Deployment').spec.template;
    const { server } = values.config as { server: { drainMs: number } };
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(values.preStopSeconds) + server.drainMs / 1000);
    const script = spec.containers[0].lifecycle.preStop.exec.command.at(-1) as string;
    expect(script).toBe(`setTimeout(() => {}, ${values.preStopSeconds} * 1000)`);
    expect(spawnSync(process.execPath, ['-e', script.replace('5', '0')]).status).toBe(0);
  });

  it('gives it no right that it does not need', () => {
    const { spec } = render().get('Deployment').spec.template;
    expect(spec.automountServiceAccountToken).toBe(false);
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(spec.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(render().get('NetworkPolicy').spec.policyTypes).toEqual(['Ingress', 'Egress']);
  });

  it('ships a configuration that the program takes', async () => {
    const text = render().get('ConfigMap').data['mcp-proxy-config.json'] as string;
    const settings = await load({ files: { 'mcp-proxy-config.json': text }, env: { SESSION_KEY: 's'.repeat(32) } });
    expect(settings.notices).toEqual([]);
    expect(settings.identity.size).toBe(1);
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8')) as { version: string };
    expect(chart.appVersion).toBe(version);
  });

  (withoutHelm ? it.skip : it)(`is what Helm makes of it (${withoutHelm ?? 'helm lint'})`, () => {
    const { status, stdout } = spawnSync('helm', ['lint', '--strict', CHART], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.anything()]);
  });
});

describe('the stand-in for Helm', () => {
  const filled = (text: string, data: Data) => {
    const templates = new GoTemplates();
    return templates.render(templates.parse(text), data);
  };

  it('refuses what it does not know', () => {
    expect(() => filled('{{ .Values.gone }}', { Values: {} })).toThrow('there is no .Values.gone');
    expect(() => filled('{{ if .Values.a }}x', { Values: { a: 1 } })).toThrow('has no {{ end }}');
    expect(() => filled('x{{ end }}', {})).toThrow('closes nothing');
    expect(() => filled('{{ lookup "a" }}', {})).toThrow('no such function');
    expect(() => filled('{{ .a }', { a: 1 })).toThrow('unbalanced');
  });

  it('trims and indents like the real one', () => {
    const data = { Values: { a: { b: [1] }, no: {} } };
    expect(filled('x:\n  {{- toYaml .Values.a | nindent 2 }}\ny: 1', data)).toBe('x:\n  b:\n    - 1\ny: 1');
    expect(filled('{{- if .Values.no }}\nx\n{{- else }}\ny\n{{- end }}\n', data)).toBe('\ny\n');
  });
});

function leaves(object: Data, depth: number, prefix = ''): string[] {
  return Object.entries(object).flatMap(([key, value]) =>
    depth > 1 &&
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    key !== 'config' &&
    Object.keys(value).length > 0
      ? leaves(value as Data, depth - 1, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}
