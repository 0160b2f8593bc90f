/**
 * Where the processor time of the production configuration goes: `node bench/profile.mjs` loads it like `json-32` with
 * V8's sampling profiler on, and says whose code was running. A sampled process is slower; read the shares.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { drawbridgeProduction } from './contenders/drawbridge.mjs';
import { shareCores } from './cores.mjs';
import { Lab } from './lab.mjs';
import { Processes } from './processes.mjs';

const WARM_MS = 6000;
const MEASURE_MS = 8000;
const CONNECTIONS = 32;

const NATIVE = {
  writev: 'writing to sockets (kernel)',
  writeBuffer: 'writing the log (kernel)',
  '(garbage collector)': 'garbage collection',
  runMicrotasks: 'promises',
};

const bundles = new Map();
const processes = new Processes({ PATH: process.env.PATH });

try {
  await bundleReadably();
  const lab = new Lab(processes, shareCores());
  await lab.open();
  const contender = await lab.raise({ ...drawbridgeProduction, command: profiled });
  await lab.order({ op: 'connect', ...contender.target('call'), count: CONNECTIONS });
  await lab.order({ op: 'closed', ms: WARM_MS });
  const { requests } = await lab.order({ op: 'closed', ms: MEASURE_MS });
  await lab.order({ op: 'close' });
  await lab.dismiss(contender);
  print(sharesOf(readProfile(processes.folder)), requests);
} finally {
  await processes.stopAll();
}

/** As users get it, but with the names of the files that went in. */
async function bundleReadably() {
  await build({
    entryPoints: ['src/cli.ts'],
    outdir: path.join(processes.folder, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  fs.copyFileSync('package.json', path.join(processes.folder, 'package.json'));
}

function profiled(place) {
  const [, ...args] = drawbridgeProduction.command(place);
  return ['--cpu-prof', `--cpu-prof-dir=${place.folder}`, path.join(processes.folder, 'dist/cli.js'), ...args];
}

function readProfile(folder) {
  const file = fs.readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  return JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
}

/** Busy microseconds by owner, of the last stretch of the load. */
function sharesOf({ nodes, samples, timeDeltas, startTime }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = [];
  timeDeltas.reduce((at, delta) => times.push(at + delta) && at + delta, startTime);
  const end = times[samples.findLastIndex((id) => frames.get(id).functionName === 'writev')];
  const shares = new Map();
  samples.forEach((id, index) => {
    const owner = ownerOf(frames.get(id));
    if (!owner || times[index] > end || times[index] < end - MEASURE_MS * 1000) return;
    shares.set(owner, (shares.get(owner) ?? 0) + timeDeltas[index]);
  });
  return [...shares].sort(([, one], [, other]) => other - one);
}

function ownerOf({ functionName, url, lineNumber }) {
  if (functionName === '(idle)') return undefined;
  if (url.startsWith('node:')) return 'Node: http, streams, sockets';
  if (url.startsWith('wasm:')) return 'undici';
  if (url === '') return NATIVE[functionName] ?? 'other native code';
  const source = sourceOf(fileURLToPath(url), lineNumber);
  return source.startsWith('src/') ? `Drawbridge: ${source.split('/')[1]}` : source.split('/')[1];
}

/** What was bundled there: esbuild writes the name of each file above it. */
function sourceOf(file, line) {
  const lines = bundles.get(file) ?? fs.readFileSync(file, 'utf8').split('\n');
  bundles.set(file, lines);
  for (let at = line; at >= 0; at -= 1) {
    const name = /^(?:\s*)\/\/ ((?:src|node_modules)\/\S+)$/.exec(lines[at])?.[1];
    if (name) return name;
  }
  return 'src/bundle';
}

function print(shares, requests) {
  const total = shares.reduce((sum, [, us]) => sum + us, 0);
  process.stdout.write(`${requests} requests\n\n| whose | share |\n| --- | ---: |\n`);
  for (const [owner, us] of shares) {
    if (us / total >= 0.005) process.stdout.write(`| ${owner} | ${((us / total) * 100).toFixed(1)} % |\n`);
  }
}
