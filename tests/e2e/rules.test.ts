import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { callTool } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { tempFolder } from '../helpers/tempFolder.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const DOCS = fs.readFileSync('docs/resilience.md', 'utf8');
const PROGRAM = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const run = promisify(execFile);

/** The fenced block behind `<!-- example: name -->`. */
function example(name: string): string {
  const block = new RegExp(`<!-- example: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(DOCS);
  if (!block) throw new Error(`docs/resilience.md has no example ${name}`);
  return block[1] as string;
}

let upstream: Upstream;
let drawbridge: Drawbridge;

beforeEach(async () => {
  upstream = await startUpstream(json({}));
});
afterEach(async () => {
  await drawbridge?.stop();
  await upstream.close();
});

/** Starts the program in front of the upstream with such rules, and what else is in the folder of the configuration. */
async function startWith(
  rules: object,
  files: Readonly<Record<string, string>> = {},
  more: object = {},
): Promise<void> {
  const folder = tempFolder('rules');
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  const file = path.join(folder, 'drawbridge.json');
  fs.writeFileSync(file, JSON.stringify(configured(rules, more)));
  drawbridge = await startDrawbridge(null, { args: ['-c', file] });
}

function configured(rules: object, more: object = {}): object {
  const reports = { kind: 'http', url: upstream.url, resilience: { rules, ...more } };
  return { server: { defaultDestination: 'reports' }, destinations: { reports } };
}

const call = (tool: string) => callTool(`${drawbridge.url}/mcp`, tool);

describe('rules of one’s own', () => {
  it('work as the documentation has it: the breaker counts a header, and what may be repeated is', async () => {
    const { destinations } = JSON.parse(example('busy-rules.json'));
    let busy = 1;
    upstream.handler = (seen, response, incoming) => {
      if (busy-- > 0) response.setHeader('x-busy', '1');
      json({ done: true })(seen, response, incoming);
    };
    const files = { 'busy-rules.mjs': example('busy-rules.mjs') };
    await startWith(destinations.reports.resilience.rules, files, { circuitBreaker: { failures: 3 } });
    await call('lookup');
    expect(upstream.requests).toHaveLength(2);
    busy = 1;
    await call('other');
    expect(upstream.requests).toHaveLength(3);
    busy = 100;
    for (let calls = 0; calls < 3; calls++) await call('other');
    expect((await call('other')).text).toContain('CIRCUIT_OPEN');
  });

  it('come from a package that is installed beside the configuration', async () => {
    const files = {
      'node_modules/@acme/rules/package.json': '{"name":"@acme/rules","type":"module","exports":"./index.js"}',
      'node_modules/@acme/rules/index.js': "export default { create: () => ({ judge: () => ({ health: 'bad' }) }) };",
    };
    await startWith({ kind: '@acme/rules' }, files, { circuitBreaker: { failures: 2 } });
    for (let calls = 0; calls < 2; calls++) await call('other');
    expect((await call('other')).text).toContain('CIRCUIT_OPEN');
  });

  it('that throw break no call, and are told once', async () => {
    const text = "export default { create: () => ({ judge() { throw new Error('no idea'); } }) };";
    await startWith({ kind: './rules.mjs' }, { 'rules.mjs': text });
    for (let calls = 0; calls < 3; calls++) expect((await call('other')).status).toBe(200);
    const told = drawbridge.records().filter(({ signal }) => signal === 'rules.failed');
    expect(told).toEqual([expect.objectContaining({ destination: 'reports', cause: 'Error: no idea' })]);
  });

  it.each([
    ['a module that is not there', { kind: './missing.mjs' }, '"./missing.mjs" can\'t be loaded: Cannot find module'],
    ['a module that is torn', { kind: './torn.mjs' }, '"./torn.mjs" can\'t be loaded: '],
    ['a module that is no kind', { kind: './none.mjs' }, '"./none.mjs" has no default export with a create function'],
    [
      'a kind that nobody has',
      { kind: 'json-rcp' },
      'kind "json-rcp" is unknown, and no package of that name is installed',
    ],
    ['an option that it has not', { kind: './busy-rules.mjs', haeder: 'x' }, 'is not a known key'],
    ['an option of the wrong type', { kind: 'json-rpc', failures: ['x'] }, 'must be'],
  ])('%s: a fault of the configuration', async (_what, rules, fault) => {
    const folder = tempFolder('rules');
    const file = path.join(folder, 'drawbridge.json');
    fs.writeFileSync(path.join(folder, 'torn.mjs'), 'export default {');
    fs.writeFileSync(path.join(folder, 'none.mjs'), 'export const create = 1;');
    fs.writeFileSync(path.join(folder, 'busy-rules.mjs'), example('busy-rules.mjs'));
    fs.writeFileSync(file, JSON.stringify(configured(rules)));
    const env = { PATH: process.env.PATH, HOME: folder };
    const checked = await run(process.execPath, [PROGRAM, 'check', '-c', file], { env }).catch((error) => error);
    expect(checked.code).toBe(2);
    expect(checked.stdout + checked.stderr).toContain(fault);
    expect(checked.stdout + checked.stderr).toContain('destinations.reports.resilience.rules');
  });

  it('that make nothing to ask end the start, and say so', async () => {
    const file = path.join(tempFolder('rules'), 'empty.mjs');
    fs.writeFileSync(file, 'export default { create: () => ({}) };');
    const { exited, stderr } = await runDrawbridge(configured({ kind: file }), ['--port', '0']);
    expect((await exited).code).toBe(1);
    expect(stderr()).toContain('for destination "reports" has no judge function');
  });
});

describe('rules of kind json-rpc', () => {
  const refusal = { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'not now' } };

  it('count what a server says in JSON-RPC, and have it repeated where that is safe', async () => {
    await startWith(
      { kind: 'json-rpc', failures: [-32000], temporary: [-32000] },
      {},
      {
        retry: { attempts: 2, baseMs: 1, safe: ['tools/call look'] },
        circuitBreaker: { failures: 4 },
      },
    );
    upstream.handler = (_seen, response) =>
      void response.setHeader('content-type', 'application/json').end(JSON.stringify(refusal));
    expect((await call('act')).text).toBe(JSON.stringify(refusal));
    expect(upstream.requests).toHaveLength(1);
    expect((await call('look')).text).toBe(JSON.stringify(refusal));
    expect(upstream.requests).toHaveLength(3);
    await call('act');
    expect((await call('act')).text).toContain('CIRCUIT_OPEN');
  });

  it('pass what is longer than they read, whole', async () => {
    await startWith({ kind: 'json-rpc', readBytes: 100 });
    const long = JSON.stringify({ ...refusal, padding: 'x'.repeat(500_000) });
    upstream.handler = (_seen, response) => {
      response.setHeader('content-type', 'application/json');
      response.write(long.slice(0, 60));
      setImmediate(() => response.end(long.slice(60)));
    };
    expect((await call('act')).text).toBe(long);
  });
});
