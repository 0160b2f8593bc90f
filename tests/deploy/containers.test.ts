import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { parse } from 'yaml';
import { load } from '../config/loadConfig.js';
import { args, DEFAULT_PORT, isProbe } from './program.js';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

const read = (name: string) => fs.readFileSync(`deploy/${name}`, 'utf8');

/** The Dockerfile's instructions, with continued lines in one. */
function instructions(): Instruction[] {
  return read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: line.split(' ', 1)[0] as string, rest: line.slice(line.indexOf(' ') + 1).trim() }));
}

const named = (name: string) => instructions().filter((line) => line.name === name);
const last = (name: string) => named(name).at(-1)?.rest ?? '';

describe('the Dockerfile', () => {
  it('stands on named versions, and ends on one without a shell', () => {
    const bases = named('FROM').map(({ rest }) => rest.split(' ')[0] as string);
    expect(bases.length).toBeGreaterThan(1);
    for (const base of bases) {
      expect(base).toMatch(/^[^:@]+(:|@sha256:).+$/);
      expect(base).not.toMatch(/:latest$/);
    }
    expect(bases.at(-1)).toMatch(/^gcr\.io\/distroless\/nodejs\d+-debian\d+:nonroot$/);
    const major = Number(/nodejs(\d+)/.exec(bases.at(-1) ?? '')?.[1]);
    expect(bases[0]).toMatch(new RegExp(`^node:${major}\\.`));
  });

  it('runs as nobody in particular, by number, so that Kubernetes can tell', () => {
    expect(last('USER')).toBe('65532:65532');
    const order = instructions().map(({ name }) => name);
    expect(order.lastIndexOf('USER')).toBeGreaterThan(order.lastIndexOf('FROM'));
  });

  it('needs no shell and fetches nothing: no ADD, each command in exec form', () => {
    expect(named('ADD')).toEqual([]);
    for (const { name, rest } of instructions().filter(({ name }) => ['RUN', 'ENTRYPOINT', 'CMD'].includes(name))) {
      expect([name, Array.isArray(JSON.parse(rest))]).toEqual([name, true]);
    }
    expect(last('HEALTHCHECK')).toMatch(/CMD \[/);
    expect(instructions().some(({ rest }) => /secret|password|token/i.test(rest))).toBe(false);
  });

  it('copies what there is, and what the package is made of', () => {
    const sources = named('COPY')
      .filter(({ rest }) => rest.startsWith('--from=build'))
      .flatMap(({ rest }) => rest.split(' ').slice(2, -1))
      .map((file) => file.replace('/src/', ''));
    for (const source of sources) expect([source, source === 'dist' || fs.existsSync(source)]).toEqual([source, true]);
    expect(sources).toEqual(expect.arrayContaining(['bin', 'dist', 'package.json']));
  });

  it('leaves out of its context whatever no build needs, and nothing that one does', () => {
    const lines = fs.readFileSync('.dockerignore', 'utf8').split('\n');
    expect(lines).toContain('*');
    const kept = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    for (const name of kept) expect([name, fs.existsSync(name)]).toEqual([name, true]);
    expect(kept).toEqual(expect.arrayContaining(['bin', 'src', 'scripts', 'package.json', 'package-lock.json']));
    expect(kept.filter((name) => /^(\.git|node_modules|deploy|tests)/.test(name))).toEqual([]);
  });

  it('starts the program by options that it has, on the port that it tells', () => {
    const line = JSON.parse(last('CMD')) as string[];
    expect(args.unknown(line)).toEqual([]);
    expect([args.port(line), Number(last('EXPOSE'))]).toEqual([DEFAULT_PORT, DEFAULT_PORT]);
    expect(JSON.parse(last('ENTRYPOINT')).at(-1)).toBe('/app/bin/mcp-drawbridge.js');
  });

  it('has a health check that tells a process that serves from one that does not', () => {
    const script = (JSON.parse(/CMD (\[.*\])/.exec(last('HEALTHCHECK'))?.[1] ?? '[]') as string[]).at(-1) as string;
    const url = new URL(/'(http:[^']+)'/.exec(script)?.[1] ?? '');
    expect([Number(url.port), isProbe(url.pathname)]).toEqual([DEFAULT_PORT, true]);
    const closed = script.replace(`:${DEFAULT_PORT}`, ':1');
    expect(spawnSync(process.execPath, ['-e', closed]).status).toBe(1);
    const serving = `require('http').createServer((q, r) => r.end()).listen(0, '127.0.0.1', function () {
      const check = ${JSON.stringify(script)}.replace(':${DEFAULT_PORT}', ':' + this.address().port);
      require('child_process').execFile(process.execPath, ['-e', check], (error) => process.exit(error ? 1 : 0)); })`;
    expect(spawnSync(process.execPath, ['-e', serving]).status).toBe(0);
  });
});

describe('compose.yaml', () => {
  const { services, volumes } = parse(read('compose.yaml'));

  it('ships a configuration that the program takes, with Redis', async () => {
    const text = read('compose/mcp-proxy-config.json');
    const env = { SESSION_KEY: 's'.repeat(32), REDIS_PASSWORD: 'p' };
    const settings = await load({ files: { 'mcp-proxy-config.json': text }, env });
    expect(settings.notices).toEqual([]);
    const given = Object.keys(services.drawbridge.environment);
    expect([...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name).sort()).toEqual(given.sort());
    const { hostname } = new URL(String(settings.stores.get('shared')?.options.url));
    expect(Object.keys(services)).toContain(hostname);
    expect(services.drawbridge.volumes).toContain('./compose:/config:ro');
    expect(Number.parseInt(services.drawbridge.stop_grace_period, 10) * 1000).toBeGreaterThan(settings.server.drainMs);
  });

  it('takes from each service what it does not need', () => {
    for (const name of ['drawbridge', 'redis']) {
      expect([name, services[name]]).toMatchObject([
        name,
        { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] },
      ]);
      expect(services[name].user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    }
    for (const { image } of Object.values(services) as { image: string }[])
      expect(image).not.toMatch(/:latest$|^[^:]+$/);
    expect(fs.existsSync(`deploy/../${services.drawbridge.build.dockerfile}`)).toBe(true);
    expect(Object.keys(volumes)).toEqual(['keys']);
  });
});

describe('examples for clouds', () => {
  const run = parse(read('cloud-run/service.yaml'));
  const task = JSON.parse(read('ecs/task-definition.json'));

  it('Cloud Run: the program as it is', () => {
    const [container] = run.spec.template.spec.containers;
    expect([run.apiVersion, run.kind]).toEqual(['serving.knative.dev/v1', 'Service']);
    expect(args.unknown(container.args)).toEqual([]);
    expect(args.port(container.args)).toBe(container.ports[0].containerPort);
    for (const probe of [container.startupProbe, container.livenessProbe]) {
      expect([isProbe(probe.httpGet.path), probe.httpGet.port]).toEqual([true, DEFAULT_PORT]);
    }
    const mounts = container.volumeMounts.map(({ name }: { name: string }) => name);
    expect(mounts).toEqual(run.spec.template.spec.volumes.map(({ name }: { name: string }) => name));
  });

  it('ECS: the program as it is, without rights, and with time to drain', () => {
    const [container] = task.containerDefinitions;
    expect(args.unknown(container.command)).toEqual([]);
    expect(args.port(container.command)).toBe(container.portMappings[0].containerPort);
    expect(container).toMatchObject({ readonlyRootFilesystem: true, user: '65532:65532' });
    expect(container.linuxParameters.capabilities.drop).toEqual(['ALL']);
    const url = new URL(/'(http:[^']+)'/.exec(container.healthCheck.command.at(-1))?.[1] ?? '');
    expect([isProbe(url.pathname), Number(url.port)]).toEqual([true, DEFAULT_PORT]);
    // The most that Fargate gives is 120.
    expect(container.stopTimeout).toBeGreaterThan(10);
    expect(container.stopTimeout).toBeLessThanOrEqual(120);
  });
});
