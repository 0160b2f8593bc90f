import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, freePort, Processes } from '../../bench/processes.mjs';
import { configuration, haproxyConfiguration } from './configuration.mjs';

const BIN = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const PROBE = new URL('./probe.mjs', import.meta.url).href;
const HAPROXY = ['/usr/sbin/haproxy', '/usr/bin/haproxy'].find((file) => fs.existsSync(file));

/** A busy machine takes its time. */
const START_WITHIN_MS = 60_000;
const yes = () => true;
const no = () => false;

/** The servers that are called, by the names of their destinations. */
export const SERVERS = ['sessions', 'plain', 'modern', 'old'];

const CALLERS = [
  ['ada', 'red'],
  ['bob', 'red'],
  ['cyd', 'blue'],
  ['dan', 'blue'],
  ['eve', 'green'],
];

/** Every process of the suite, each of which can be ended and started anew at the port that it had. */
export class World {
  /** What can't be had on this machine, and why. */
  lacks = {};
  ports = {};
  keys = new Map();
  secrets = {};
  tokenMs;
  firstByteMs;
  processes;
  #running = new Map();
  #disk;

  /** `alone`: one replica, called directly. Tokens live shortly, so that renewals fall into every kind of trouble. */
  constructor({ alone = false, tokenMs = 12_000, firstByteMs = 2500 } = {}) {
    this.tokenMs = tokenMs;
    this.firstByteMs = firstByteMs;
    if (alone) this.lacks.haproxy = 'one replica is all that is wanted';
    this.processes = new Processes({ PATH: process.env.PATH });
  }

  get folder() {
    return this.processes.folder;
  }

  get replicas() {
    return this.lacks.haproxy ? ['one'] : ['one', 'two'];
  }

  /** Where clients call. */
  get origin() {
    return `http://127.0.0.1:${this.lacks.haproxy ? this.ports.one : this.ports.front}`;
  }

  originOf(replica) {
    return `http://127.0.0.1:${this.ports[replica]}`;
  }

  async open() {
    for (const name of ['one', 'two', 'front', 'redis', 'provider', ...SERVERS]) this.ports[name] = await freePort();
    for (const name of ['provider', 'sessionKey', 'redis']) this.secrets[name] = randomBytes(24).toString('hex');
    if (!HAPROXY)
      this.lacks.haproxy ??= 'haproxy is not installed (Debian: apt-get install haproxy): one replica, called directly';
    if (spawnSync('redis-server', ['--version']).error)
      this.lacks.redis = 'redis-server is not installed (Debian: apt-get install redis-server)';
    this.#mount();
    this.writeConfiguration();
    this.#createKeys();
    if (!this.lacks.redis) await this.start('redis');
    for (const name of ['provider', ...SERVERS]) await this.start(name);
    for (const name of this.replicas) await this.start(name);
    if (!this.lacks.haproxy) await this.start('front');
  }

  /** Small, so that it can be filled up. */
  #mount() {
    this.#disk = path.join(this.folder, 'home-one');
    fs.mkdirSync(path.join(this.folder, 'home-two'));
    fs.mkdirSync(this.#disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'tmpfs', this.#disk]).status === 0;
    if (!mounted) this.lacks.disk = 'mounting a tmpfs is not permitted here';
  }

  fillDisk() {
    try {
      for (;;) fs.appendFileSync(path.join(this.#disk, 'filler'), 'x'.repeat(1024));
    } catch {
      // ENOSPC: that is what it is for.
    }
  }

  emptyDisk() {
    fs.rmSync(path.join(this.#disk, 'filler'), { force: true });
  }

  get configFile() {
    return path.join(this.folder, 'drawbridge.json');
  }

  /** `text`: what is written in its place. */
  writeConfiguration(more = {}, text = undefined) {
    const whole = configuration(this, { stdioServer: script('./stdioServer.mjs'), ...more });
    fs.writeFileSync(this.configFile, text ?? JSON.stringify(whole, null, 2));
  }

  #createKeys() {
    for (const [name, tenant] of CALLERS) {
      const args = [BIN, 'keys', 'create', '-c', this.configFile, '--name', name, '--tenant', tenant];
      const env = { PATH: process.env.PATH, HOME: this.folder, REFRESH_TOKEN: 'none' };
      this.keys.set(
        name,
        execFileSync(process.execPath, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim(),
      );
    }
  }

  /** Starts a process and resolves when its port answers. */
  async start(name) {
    const ipc = name !== 'redis' && name !== 'front';
    const child = this.processes.start(name, this.#command(name), { ipc });
    this.#running.set(name, child);
    const answers = () => (this.replicas.includes(name) ? this.#isReady(name) : connect(this.ports[name]));
    const end = Date.now() + START_WITHIN_MS;
    while (!(await answers().then(yes, no))) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        throw new Error(`${name} did not start\n${this.log(name).slice(-2000)}`);
      }
      await sleep(20);
    }
    return child;
  }

  async #isReady(replica) {
    const { status } = await fetch(`${this.originOf(replica)}/health/ready`);
    if (status !== 200) throw new Error('not ready');
  }

  #command(name) {
    const port = String(this.ports[name]);
    const ledger = path.join(this.folder, `${name}.jsonl`);
    if (name === 'redis') {
      return [
        'redis-server',
        '--port',
        port,
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--appendonly',
        'no',
        '--requirepass',
        this.secrets.redis,
      ];
    }
    if (name === 'front') {
      const file = path.join(this.folder, 'haproxy.cfg');
      fs.writeFileSync(file, haproxyConfiguration(this));
      return [HAPROXY, '-db', '-f', file];
    }
    if (name === 'provider')
      return [
        process.execPath,
        script('./provider.mjs'),
        port,
        this.folder,
        this.secrets.provider,
        String(this.tokenMs),
      ];
    if (this.replicas.includes(name)) return this.#replica(name, port);
    return [process.execPath, script('./upstream.mjs'), port, ledger, this.secrets.provider, name];
  }

  #replica(name, port) {
    const node = [process.env.PROGRAM_NODE ?? process.execPath, '--expose-gc', '--import', PROBE, BIN];
    const env = [
      'env',
      `HOME=${path.join(this.folder, `home-${name}`)}`,
      `REFRESH_TOKEN=first.${this.secrets.provider}.${name}`,
    ];
    return [...env, ...node, 'serve', '-c', this.configFile, '--port', port, '--log-format', 'json', '--persist'];
  }

  child(name) {
    return this.#running.get(name);
  }

  signal(name, signal) {
    this.child(name).kill(signal);
  }

  /** Resolves with code and signal. */
  async end(name, signal = 'SIGKILL') {
    const child = this.child(name);
    const gone = once(child, 'exit');
    child.kill(signal);
    const [code, by] = await gone;
    return { code, signal: by };
  }

  tell(name, order) {
    return ask(this.child(name), order);
  }

  /** Memory after a forced collection, and how many descriptors are open. */
  async measure(name) {
    const { heap, rss } = await this.tell(name, {});
    const descriptors = fs.readdirSync(`/proc/${this.child(name).pid}/fd`).length;
    return { heapMiB: heap / 2 ** 20, rssMiB: rss / 2 ** 20, descriptors };
  }

  log(name) {
    return fs.readFileSync(this.processes.log(name), 'utf8');
  }

  /** Everything that a ledger says. */
  entries(name) {
    const file = path.join(this.folder, `${name}.jsonl`);
    if (!fs.existsSync(file)) return [];
    return fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** Ends the replicas as an operator would, for what they say and leave behind at their end. */
  async stopReplicas() {
    const ends = await Promise.all(this.replicas.map((name) => this.end(name, 'SIGTERM')));
    await sleep(300);
    return ends;
  }

  async close() {
    for (const child of this.#running.values()) child.kill('SIGCONT');
    if (!this.lacks.disk) spawnSync('umount', ['-l', this.#disk]);
    await this.processes.stopAll();
  }

  /** Processes that are still there and have to do with this run, besides those that the suite itself started. */
  orphans() {
    const own = new Set([...this.#running.values()].map(({ pid }) => String(pid)));
    const isOurs = (pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${this.folder}/stdio`);
      } catch {
        return false;
      }
    };
    return fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && !own.has(pid) && isOurs(pid));
  }
}

async function connect(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
