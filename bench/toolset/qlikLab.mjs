import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIssuer } from '../caller.mjs';
import { AUDIENCE, BIN } from '../contenders/drawbridge.mjs';
import { ask, freePort, reach, untilItWorks } from '../processes.mjs';
import { usage } from '../procfs.mjs';

const TENANT = script('./tenant.mjs');
const LOAD = script('./load.mjs');
const CLIENT = { id: 'bench', secret: 'bench-secret' };
const PROXY = 'drawbridge-qlik';

/** A tenant of Qlik Cloud, a process that serves its tools, and the users of both. */
export class QlikLab {
  users = [];
  port = 0;
  #processes;
  #cores;
  #tenant;
  #load;
  #proxy;

  constructor(processes, cores) {
    this.#processes = processes;
    this.#cores = cores;
  }

  async open(users) {
    const node = (name, file) => this.#processes.start(name, this.#cores.load([process.execPath, file]), { ipc: true });
    this.#tenant = node('tenant', TENANT);
    this.#load = node('qlik-load', LOAD);
    this.port = await freePort();
    const issuer = 'https://idp.bench.example';
    const { jwks, tokenOf } = createIssuer(issuer, AUDIENCE);
    const { origin, keys } = await this.#tell(this.#tenant, { op: 'open', users, client: CLIENT, jwks });
    this.users = Array.from({ length: users }, (_, index) => userOf(`user-${index}`, tokenOf));
    await this.#startProxy(configuration(origin, issuer, keys));
  }

  async close() {
    for (const child of [this.#proxy, this.#load, this.#tenant]) await this.#processes.stop(child);
  }

  /** Gives the load an order and resolves with its result. */
  order(order) {
    return this.#tell(this.#load, { port: this.port, ...order });
  }

  /** What the tenant was asked since the last time. */
  count() {
    return this.#tell(this.#tenant, { op: 'count' });
  }

  usage() {
    return usage(this.#proxy.pid);
  }

  async #startProxy(config) {
    const file = path.join(this.#processes.folder, `${PROXY}.json`);
    fs.writeFileSync(file, JSON.stringify(config));
    const argv = [BIN, 'serve', '--config', file, '--port', String(this.port), '--log-level', 'error'];
    this.#proxy = this.#processes.start(PROXY, this.#cores.contender([process.execPath, ...argv]));
    await untilItWorks(
      () => reach(this.port),
      () => this.#proxy.exitCode === null,
    );
  }

  async #tell(child, order) {
    const { result, error } = await ask(child, order);
    if (error !== undefined) {
      const said = fs.readFileSync(this.#processes.log(PROXY), 'utf8').slice(-2000);
      throw new Error(`${order.op}: ${error}\n${said}`);
    }
    return result;
  }
}

function userOf(subject, tokenOf) {
  return { token: tokenOf(subject), appId: `app-of-${subject}` };
}

/** Every caller is shown to the tenant as a user of their own. */
function configuration(tenant, issuer, jwksUri) {
  const corp = { kind: 'jwt', issuer, jwksUri, audience: AUDIENCE, algorithms: ['ES256'] };
  const client = { clientId: CLIENT.id, clientSecret: CLIENT.secret, scope: 'user_default' };
  const credential = { kind: 'qlik', tenant, auth: 'impersonation', ...client, for: 'caller', identity: ['corp'] };
  return {
    destinations: { qlik: { kind: 'toolset', toolset: 'qlik', url: tenant, credential: 'qlik' } },
    credentials: { qlik: credential },
    identity: { corp },
  };
}

function script(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}
