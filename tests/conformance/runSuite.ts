import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The revisions for which the suite has a list of what is required. */
export type Revision = '2025-11-25' | '2026-07-28';

/** What the suite made of one server. */
export interface SuiteRun {
  /** 0 when every required scenario passed. */
  readonly exitCode: number | null;
  /** One line per scenario, in the order of their names: the status and the id of each check, as they were made. */
  readonly checks: readonly string[];
  /** By `scenario/check`, of all that were made: null for those that passed each time, else what was wrong first. */
  readonly verdicts: ReadonlyMap<string, string | null>;
  /** What the suite printed. */
  readonly output: string;
}

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly errorMessage?: string;
}

interface Scenario {
  readonly name: string;
  readonly checks: readonly Check[];
}

/** The suite needs a newer Node than this house does: hence a folder, and a Node, of its own. */
const node = fileURLToPath(new URL('./node_modules/node/bin/node', import.meta.url));
const suite = fileURLToPath(new URL('./node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));

/**
 * Runs the official suite against an MCP endpoint, all scenarios of a revision, required or not. The host in `url` has
 * to be a loopback name. Rejects when the suite isn't installed; a failed check is a result, not an error.
 */
export async function runSuite(url: string, revision: Revision): Promise<SuiteRun> {
  return run(['server', '--url', url, '--requirements', revision]);
}

/** One scenario of it. */
export async function runScenario(url: string, revision: Revision, scenario: string): Promise<SuiteRun> {
  return run(['server', '--url', url, '--spec-version', revision, '--force', '--scenario', scenario]);
}

function run(args: readonly string[]): Promise<SuiteRun> {
  return inFolder(async (folder) => {
    const ran = await call([...args, '-o', folder]);
    const scenarios = await readScenarios(folder);
    return { ...ran, checks: scenarios.map(lineOf), verdicts: verdictsOf(scenarios) };
  });
}

/** Which scenarios for clients a revision requires, and which it only reports; those under `auth/` alone. */
export async function authScenarios(revision: Revision): Promise<{ required: string[]; others: string[] }> {
  const { output } = await call(['list', '--requirements', revision]);
  const [required = '', others = ''] = output.split('Run and reported, but never scored');
  const named = (list: string) => [...list.matchAll(/- (auth\/\S+)/g)].map(([, name = '']) => name);
  return { required: named(required), others: named(others) };
}

/** Has one scenario try a client: `command`, which is given the scenario's URL. Null when it passed, else what was printed. */
export async function runClient(command: string, scenario: string, revision: Revision): Promise<string | null> {
  const what = ['--scenario', scenario, '--spec-version', revision, '--force', '--timeout', String(CLIENT_MS)];
  const ran = await inFolder((folder) => call(['client', '--command', command, ...what, '-o', folder]));
  // What wasn't run is no failure to the suite.
  return ran.exitCode === 0 && ran.output.includes('OVERALL: PASSED') ? null : ran.output;
}

type Ran = 'exitCode' | 'output';

const CLIENT_MS = 60_000;

async function call(args: readonly string[]): Promise<Pick<SuiteRun, Ran>> {
  if (!existsSync(node) || !existsSync(suite)) {
    throw new Error('The conformance suite is not installed: run `npm ci --prefix tests/conformance`.');
  }
  const child = spawn(node, [suite, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: {} });
  const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: child.exitCode, output: output + complaints };
}

async function inFolder<Value>(job: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(path.join(tmpdir(), 'conformance-'));
  return job(folder).finally(() => rm(folder, { recursive: true, force: true }));
}

async function readScenarios(folder: string): Promise<Scenario[]> {
  const scenarios = await readdir(folder);
  return Promise.all(scenarios.sort().map((scenario) => readScenario(folder, scenario)));
}

/** INFO is left out: it repeats the traffic, chunk by chunk, and is no judgement. */
async function readScenario(folder: string, scenario: string): Promise<Scenario> {
  const file = path.join(folder, scenario, 'checks.json');
  // A scenario that fell over has none.
  const checks: Check[] = existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : [];
  return { name: nameOf(scenario), checks: checks.filter(({ status }) => status !== 'INFO') };
}

/** A scenario's folder is called `server-<scenario>-<time>`. */
function nameOf(folder: string): string {
  return folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
}

function lineOf({ name, checks }: Scenario): string {
  return `${name}: ${checks.map(({ status, id }) => `${status} ${id}`).join(', ')}`;
}

function verdictsOf(scenarios: readonly Scenario[]): Map<string, string | null> {
  const verdicts = new Map<string, string | null>();
  for (const { name, checks } of scenarios) {
    for (const { id, status, errorMessage = status } of checks) {
      const key = `${name}/${id}`;
      verdicts.set(key, verdicts.get(key) ?? (status === 'SUCCESS' ? null : errorMessage));
    }
  }
  return verdicts;
}
