import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BridgeLab } from './bridge/bridgeLab.mjs';
import { createCaller } from './caller.mjs';
import { nowUs } from './clock.mjs';
import { AUDIENCE } from './contenders/drawbridge.mjs';
import { Connection } from './load/connection.mjs';
import { ask, freePort, reach, untilItWorks } from './processes.mjs';
import { usage } from './procfs.mjs';
import { QlikLab } from './toolset/qlikLab.mjs';
import { requestBytes } from './workloads.mjs';

const UPSTREAM = script('./upstream.mjs');
const GENERATOR = script('./load/generator.mjs');
const PROBE = new URL('./probe.mjs', import.meta.url).href;

/** The upstream and the load, and contenders as they are needed. */
export class Lab {
  upstreamPort = 0;
  #processes;
  #cores;
  #load;
  #caller;

  constructor(processes, cores) {
    this.#processes = processes;
    this.#cores = cores;
  }

  async open() {
    this.upstreamPort = await freePort();
    this.#caller = createCaller(`http://127.0.0.1:${this.upstreamPort}`, AUDIENCE);
    const keys = path.join(this.#processes.folder, `jwks-${this.upstreamPort}.json`);
    fs.writeFileSync(keys, JSON.stringify(this.#caller.jwks));
    const upstream = [process.execPath, UPSTREAM, String(this.upstreamPort), keys];
    this.#processes.start('upstream', this.#cores.load(upstream), { ipc: true });
    this.#load = this.#processes.start('load', this.#cores.load([process.execPath, GENERATOR]), { ipc: true });
    await untilItWorks(() => firstAnswer(this.upstreamPort, '/call'));
  }

  /** Another one, with every core for everybody. */
  async openUnpinned() {
    const anywhere = (argv) => argv;
    const lab = new Lab(this.#processes, { load: anywhere, contender: anywhere });
    await lab.open();
    return lab;
  }

  /** The one for bridges between stdio and HTTP. */
  async openBridges() {
    const lab = new BridgeLab(this.#processes, this.#cores);
    await lab.open();
    return lab;
  }

  /** The one with a tenant of Qlik Cloud and so many users. */
  async openQlik(users) {
    const lab = new QlikLab(this.#processes, this.#cores);
    await lab.open(users);
    return lab;
  }

  /** Gives the load an order and resolves with its result. */
  async order(order) {
    const { result, error } = await ask(this.#load, order);
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Starts a contender and resolves once it has answered. `probe`: its memory will be asked for. */
  async raise(definition, { probe = false } = {}) {
    if (!definition.command) return new Contender(definition, this.upstreamPort);
    const { folder } = this.#processes;
    const place = { port: await freePort(), upstreamPort: this.upstreamPort, folder };
    for (const [file, content] of Object.entries(definition.files?.(place) ?? {})) {
      fs.writeFileSync(path.join(folder, file), content);
    }
    const flags = probe ? ['--expose-gc', '--import', PROBE] : [];
    const command = definition.command(place);
    const argv = definition.node ? [process.execPath, ...flags, ...command] : command;
    const started = nowUs();
    const options = { ipc: probe && definition.node };
    const child = this.#processes.start(definition.name, this.#cores.contender(argv), options);
    const token = definition.showsTokens ? this.#caller.token : undefined;
    const contender = new Contender(definition, place.port, child, token);
    await this.#begin(definition, contender, started);
    return contender;
  }

  /** Waits until it accepts connections, and then until it answers. */
  async #begin(definition, contender, started) {
    const { child, port } = contender;
    const isHopeful = () => child.exitCode === null;
    try {
      await untilItWorks(() => reach(port), isHopeful);
      contender.listenMs = (nowUs() - started) / 1000;
      const { prefix, first = 'call' } = definition;
      await untilItWorks(() => firstAnswer(port, prefix + first, contender.token, first), isHopeful);
      contender.firstAnswerMs = (nowUs() - started) / 1000;
    } catch (cause) {
      const said = fs.readFileSync(this.#processes.log(definition.name), 'utf8').slice(-2000);
      throw new Error(`${definition.name} did not start to answer: ${cause.message}\n${said}`, { cause });
    }
  }

  /** Milliseconds from the start of a program to its end. */
  async runToEnd(name, argv) {
    const started = nowUs();
    const child = this.#processes.start(name, this.#cores.contender(argv));
    await new Promise((resolve) => child.once('exit', resolve));
    return (nowUs() - started) / 1000;
  }

  async dismiss({ child }) {
    if (child) await this.#processes.stop(child);
  }
}

/** A running contender. The direct way has no process. */
class Contender {
  /** From its start to its first open connection, and to its first answer. */
  listenMs = 0;
  firstAnswerMs = 0;

  constructor(definition, port, child, token) {
    this.token = token;
    this.name = definition.name;
    this.isNode = definition.node === true;
    this.child = child;
    this.port = port;
    this.prefix = definition.prefix;
  }

  /** Where the load finds a workload. */
  target(workload) {
    return { port: this.port, path: this.prefix + workload, workload, token: this.token };
  }

  usage() {
    return this.child ? usage(this.child.pid) : { cpuUs: 0, rssMiB: 0 };
  }

  /** Bytes of JavaScript and buffers after a forced collection; undefined where it isn't Node. */
  async heapBytes() {
    return this.isNode ? (await ask(this.child, 'memory')).bytes : undefined;
  }
}

async function firstAnswer(port, target, token, workload = 'call') {
  const connection = await Connection.open(port, requestBytes(workload, target, port, token));
  try {
    await new Promise((resolve, reject) => {
      connection.onFailure = reject;
      connection.send(resolve);
    });
  } finally {
    connection.close();
  }
}

function script(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
