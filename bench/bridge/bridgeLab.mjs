import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask, freePort, reach, untilItWorks } from '../processes.mjs';
import { usageAlone } from '../procfs.mjs';

const SERVER = script('./mcpServer.mjs');
const LOAD = script('./load.mjs');
/** The stdio server behind those that lead to one. */
const CHILD = [process.execPath, script('./child.mjs')];

/** The load on bridges, the servers behind them, and the bridges as they are needed. */
export class BridgeLab {
  #processes;
  #cores;
  #load;
  #server;
  #serverPort = 0;

  constructor(processes, cores) {
    this.#processes = processes;
    this.#cores = cores;
  }

  async open() {
    this.#serverPort = await freePort();
    const server = this.#cores.load([process.execPath, SERVER, String(this.#serverPort)]);
    this.#server = this.#processes.start('mcp-server', server, { ipc: true });
    this.#load = this.#processes.start('bridge-load', this.#cores.load([process.execPath, LOAD]), { ipc: true });
    await untilItWorks(() => reach(this.#serverPort));
  }

  async close() {
    await Promise.all([this.#load, this.#server].map((child) => this.#processes.stop(child)));
  }

  /** Gives the load an order and resolves with its result. */
  async order(order) {
    const { result, error } = await ask(this.#load, order);
    if (error !== undefined) throw new Error(`${order.name}: ${error}`);
    return result;
  }

  /** Starts a contender and resolves once it has answered a call. `answers` is `events` or `json`. */
  raise(definition, answers = 'events') {
    const { folder } = this.#processes;
    const place = { folder, url: `http://127.0.0.1:${this.#serverPort}/${answers}`, child: CHILD };
    if (!definition.command) return this.#raiseDirect(definition, place);
    return definition.role === 'bridge' ? this.#raiseBridge(definition, place) : this.#raiseSidecar(definition, place);
  }

  async dismiss({ name, child }) {
    await this.order({ op: 'stop', name });
    if (child) await this.#processes.stop(child);
  }

  /** The load speaks with the server itself. */
  async #raiseDirect({ name }, { url }) {
    await this.order({ op: 'connect', name, url });
    return { name, usage: () => ({ cpuUs: 0, rssMiB: 0 }) };
  }

  async #raiseBridge(definition, place) {
    const argv = this.#cores.contender(this.#prepare(definition, place));
    const env = { PATH: process.env.PATH, HOME: place.folder };
    const begun = await this.order({ op: 'start', name: definition.name, argv, cwd: place.folder, env });
    return { name: definition.name, ...begun, usage: () => usageAlone(begun.pid) };
  }

  async #raiseSidecar(definition, place) {
    const { name } = definition;
    const port = await freePort();
    const argv = this.#cores.contender(this.#prepare(definition, { ...place, port }));
    const child = this.#processes.start(name, argv);
    await untilItWorks(
      () => reach(port),
      () => child.exitCode === null,
    );
    await untilItWorks(() => this.order({ op: 'connect', name, url: `http://127.0.0.1:${port}/mcp` }));
    return { name, child, usage: () => usageAlone(child.pid) };
  }

  /** Writes the contender's files; its command line. */
  #prepare(definition, place) {
    for (const [file, content] of Object.entries(definition.files?.(place) ?? {})) {
      fs.writeFileSync(path.join(place.folder, file), content);
    }
    return [process.execPath, ...definition.command(place)];
  }
}

function script(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
