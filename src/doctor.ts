import { type App, createApp } from './app.js';
import { Lasting } from './callers.js';
import type { Entry, Settings } from './config/settings.js';
import type { Clock, Handler, Signals, Upstream } from './contracts.js';
import { walkToToken } from './doctorAuth.js';
import { walkTheWay } from './doctorSteps.js';
import { walkTheTalk, walkToCommand } from './doctorTalk.js';
import { DoctorWalk, type Step } from './doctorWalk.js';
import { networkOf } from './networks.js';
import { forOwner } from './stdio.js';
import { FileVault } from './stores/vault.js';
import { createDispatchers } from './wire/dispatchers.js';

export interface DoctorDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly version: string;
  readonly stdout: { write(text: string): unknown };
}

export interface DoctorOptions {
  readonly json: boolean;
  /** One destination; absent: all of them. */
  readonly only?: string;
}

/** One destination, and all the steps to it. */
interface Report {
  readonly destination: string;
  readonly kind: string;
  readonly ok: boolean;
  readonly steps: readonly Step[];
}

/** No answer that a person waits for takes longer. Milliseconds. */
const MOST_MS = 30_000;

/** `mcp-drawbridge doctor`: walks to every server as a call would, by the same parts. True where nothing failed. */
export async function runDoctor(settings: Settings, { json, only }: DoctorOptions, deps: DoctorDeps): Promise<boolean> {
  const { clock, signals, version, stdout } = deps;
  const common = { clock, signals, version };
  const lasting = new Lasting(common);
  const patient = quick(settings);
  const app = await createApp(patient, { ...common, lasting, draining: () => false, bare: true });
  const reports: Report[] = [];
  try {
    for (const [name, entry] of settings.destinations) {
      if (only !== undefined && !meant(name, only, settings)) continue;
      if (!json) stdout.write(`${name} (${entry.kind})\n`);
      const walk = new DoctorWalk(clock, json ? () => {} : (step) => void stdout.write(lineOf(step)));
      await walkTo({ name, entry, walk }, { settings: patient, app, ...deps });
      reports.push({ destination: name, kind: entry.kind, ok: !walk.failed, steps: walk.steps });
    }
  } finally {
    await app.close();
    lasting.close();
  }
  const ok = reports.every((report) => report.ok);
  if (json) stdout.write(`${JSON.stringify({ ok, destinations: reports }, null, 2)}\n`);
  return ok;
}

/** A federation is its members. */
function meant(name: string, only: string, { destinations }: Settings): boolean {
  const { members } = destinations.get(only)?.options ?? {};
  const names = Array.isArray(members) ? members : Object.keys((members as object | undefined) ?? {});
  return name === only || names.includes(name);
}

/** One try each, no waiting for people, and the first failure is told as it is. */
function quick(settings: Settings): Settings {
  const { resilience, login } = settings;
  // What a walk finds is nothing to tell other replicas.
  const { store: _, ...circuitBreaker } = resilience.circuitBreaker;
  return forOwner({
    ...settings,
    // Neither its own patience nor whoever takes its place says how a server is.
    destinations: new Map([...settings.destinations].map(([name, { common: _own, ...entry }]) => [name, entry])),
    // What is forced beats the destination that a walk names.
    forced: settings.destinations.size === 1 ? settings.forced : {},
    login: { ...login, waitMs: 0, browser: 'none' },
    resilience: {
      ...resilience,
      circuitBreaker,
      firstByteMs: Math.min(resilience.firstByteMs, MOST_MS),
      retry: { ...resilience.retry, attempts: 1 },
    },
  });
}

interface Destination {
  readonly name: string;
  readonly entry: Entry;
  readonly walk: DoctorWalk;
}

type Parts = DoctorDeps & { readonly settings: Settings; readonly app: App };

async function walkTo({ name, entry, walk }: Destination, parts: Parts): Promise<void> {
  const { app, clock, version } = parts;
  const upstream = app.upstreams.get(name) as Upstream;
  const { credential } = upstream;
  await walk.step(
    'configuration',
    async () => [`kind ${entry.kind}`, credential === undefined ? [] : `credential ${credential}`].flat(),
    (words) => words.join(', '),
  );
  const secrets: string[] = [];
  if (entry.kind === 'stdio') await walkToCommand(walk, entry);
  else if (upstream.url && /^https?:$/.test(upstream.url.protocol))
    secrets.push(...(await byUrl({ name, entry, walk }, upstream.url, parts)));
  if (upstream.strategy === 'PROXY' && upstream.delegates !== true && upstream.url)
    await walkTheTalk(walk, {
      handler: app.doors.stdio as Handler,
      destination: name,
      clock,
      version,
      secrets,
      refusedHint: credential === undefined ? NO_CREDENTIAL : CREDENTIAL,
    });
}

/** The texts that nothing may repeat which the server says. */
async function byUrl({ name, entry, walk }: Destination, url: URL, parts: Parts): Promise<string[]> {
  const { settings, app, clock, signals } = parts;
  const { connectMs } = settings.resilience;
  const options = { ...entry.options, url: url.href };
  const network = networkOf(settings, { ...entry, options });
  await walkTheWay(url, network, { walk, clock, timeoutMs: connectMs });
  if (app.upstreams.get(name)?.strategy === 'PASSTHROUGH') return [];
  const credential = app.upstreams.get(name)?.credential;
  const showing = {
    destination: name,
    server: url,
    name: credential,
    source: credential === undefined ? undefined : app.sources.get(credential),
    entry: credential === undefined ? undefined : settings.credentials.get(credential),
  };
  const dispatchers = createDispatchers(connectMs, network);
  const vault = new FileVault(settings.login.folder, { clock, signals });
  try {
    const token = await walkToToken(showing, { walk, clock, vault, dispatchers });
    return token ? token.value.split(' ').filter((part) => part.length > 5) : [];
  } finally {
    vault.close();
    await dispatchers.close();
  }
}

const NO_CREDENTIAL =
  "Check that the destination's url is the MCP endpoint; where the server says 401 or 403, give the destination a credential (mcp-oauth needs but the server's origin).";
const CREDENTIAL =
  "Check that the destination's url is the MCP endpoint; where the server says 401 or 403, check audience and scope of the credential.";

function lineOf({ step, state, ms, said, mend }: Step): string {
  const time = state === 'skipped' ? '' : ` (${ms} ms)`;
  const mended = mend === undefined ? '' : `\n${' '.repeat(25)}${mend}`;
  return `  ${state.padEnd(8)}${step.padEnd(15)}${said}${time}${mended}\n`;
}
