import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programNode } from './programNode.js';

/** A `secret-tool` that behaves as libsecret's does; it is found by the environment's PATH. */
export interface FakeKeychain {
  readonly env: Readonly<Record<string, string>>;
  /** Every command line that it was started with. */
  commands(): string[];
  /** What it keeps, by its attributes. */
  items(): Record<string, string>;
  /** A locked keyring shows what it has, and not its secrets. */
  lock(locked: boolean): void;
  remove(): void;
}

const SECRET_TOOL = `
const fs = require('node:fs');
const path = require('node:path');
const at = (name) => path.join(__dirname, name);
const [action, ...args] = process.argv.slice(2);
fs.appendFileSync(at('commands'), process.argv.slice(2).join(' ') + '\\n');
const items = fs.existsSync(at('items')) ? JSON.parse(fs.readFileSync(at('items'), 'utf8')) : {};
const locked = fs.existsSync(at('locked'));
const attributes = args.filter((arg) => !arg.startsWith('--')).join(' ');
if (action === 'store') {
  if (locked) fail('Cannot create an item in a locked collection');
  fs.writeFileSync(at('items'), JSON.stringify({ ...items, [attributes]: fs.readFileSync(0, 'utf8') }));
} else if (action === 'search') {
  const secret = items[attributes];
  if (secret === undefined) process.exit(0);
  if (locked) process.stderr.write('secret-tool: Cannot get secret of a locked object\\n');
  process.stdout.write('[/1]\\nlabel = x\\n' + (locked ? '' : 'secret = ' + secret + '\\n') + 'schema = org.freedesktop.Secret.Generic\\n');
  process.stderr.write('attribute.application = mcp-drawbridge\\n');
} else fail('it would ask a person');
function fail(why) { process.stderr.write('secret-tool: ' + why + '\\n'); process.exit(1); }
`;

/** PowerShell, as far as the one script is concerned: what it seals is not the text itself. */
const POWERSHELL = `
const fs = require('node:fs');
const path = require('node:path');
fs.appendFileSync(path.join(__dirname, 'commands'), process.argv.slice(2).join(' ') + '\\n');
const bytes = Buffer.from(fs.readFileSync(0, 'utf8').trim(), 'base64').map((byte) => byte ^ 0x5a);
process.stdout.write(bytes.toString('base64'));
`;

export function fakeKeychain(): FakeKeychain {
  const folder = mkdtempSync(path.join(tmpdir(), 'drawbridge-keychain-'));
  for (const [name, text] of Object.entries({ 'secret-tool': SECRET_TOOL, 'powershell.exe': POWERSHELL })) {
    writeFileSync(path.join(folder, name), `#!${programNode()}${text}`);
    chmodSync(path.join(folder, name), 0o755);
  }
  const text = (name: string) =>
    existsSync(path.join(folder, name)) ? readFileSync(path.join(folder, name), 'utf8') : '';
  return {
    env: { PATH: `${folder}:${process.env.PATH ?? ''}` },
    commands: () => text('commands').split('\n').filter(Boolean),
    items: () => JSON.parse(text('items') || '{}') as Record<string, string>,
    lock: (locked) => (locked ? writeFileSync(path.join(folder, 'locked'), '') : rmSync(path.join(folder, 'locked'))),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Why the test by a real keyring is left out; undefined where it runs. */
export const withoutKeyring = ['secret-tool', 'gnome-keyring-daemon', 'dbus-daemon', 'gdbus'].some(
  (program) => spawnSync('which', [program]).status !== 0,
)
  ? 'secret-tool, gnome-keyring-daemon, dbus-daemon or gdbus is not installed'
  : undefined;

/** A real GNOME Keyring on a bus of its own, unlocked, without a screen. */
export class Keyring {
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #children: readonly ChildProcess[];

  private constructor(folder: string, env: Readonly<Record<string, string>>, children: readonly ChildProcess[]) {
    this.#folder = folder;
    this.env = env;
    this.#children = children;
  }

  static async start(): Promise<Keyring> {
    const folder = mkdtempSync(path.join(tmpdir(), 'drawbridge-keyring-'));
    mkdirSync(path.join(folder, 'run'), { mode: 0o700 });
    const common = { PATH: process.env.PATH ?? '', HOME: folder, XDG_RUNTIME_DIR: path.join(folder, 'run') };
    const bus = spawn('dbus-daemon', ['--session', '--print-address=1', '--nofork'], {
      env: common,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [address] = (await once(bus.stdout, 'data')) as [Buffer];
    const env = { ...common, DBUS_SESSION_BUS_ADDRESS: address.toString().trim() };
    const args = ['--unlock', '--foreground', '--components=secrets'];
    const daemon = spawn('gnome-keyring-daemon', args, { env, stdio: ['pipe', 'ignore', 'ignore'] });
    daemon.stdin.end('a password');
    while (!owned(env)) await sleep(50);
    return new Keyring(folder, env, [daemon, bus]);
  }

  lock(): void {
    const service = ['--dest', 'org.freedesktop.secrets', '--object-path', '/org/freedesktop/secrets'];
    const method = ['--method', 'org.freedesktop.Secret.Service.Lock'];
    const what = "['/org/freedesktop/secrets/collection/login']";
    spawnSync('gdbus', ['call', '--session', ...service, ...method, what], { env: this.env });
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Whether somebody keeps secrets on that bus by now. */
function owned(env: Readonly<Record<string, string>>): boolean {
  const bus = ['--dest', 'org.freedesktop.DBus', '--object-path', '/org/freedesktop/DBus'];
  const question = ['--method', 'org.freedesktop.DBus.NameHasOwner', 'org.freedesktop.secrets'];
  return spawnSync('gdbus', ['call', '--session', ...bus, ...question], { env }).stdout.includes('true');
}
