import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const missing = ['systemd-notify', 'python3'].find((name) => spawnSync(name, ['--version']).error);

/** Why tests that need them are left out; undefined where they run. */
export const withoutSystemd = missing && `${missing} is not installed`;

/** Binds a datagram socket, which Node can't, and writes one JSON line for each message that comes. */
const LISTENER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

/** Hears what a service tells systemd, by the real systemd-notify. */
export class FakeSystemd {
  readonly socket: string;
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #heard: string[] = [];
  #wake = () => {};

  private constructor(folder: string) {
    this.#folder = folder;
    this.socket = path.join(folder, 'notify');
    this.#process = spawn('python3', ['-c', LISTENER, this.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    let rest = '';
    this.#process.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      // The message by which systemd-notify finds out that all before it has been read.
      const said = lines.map((line) => JSON.parse(line) as string).filter((text) => text !== 'BARRIER=1');
      this.#heard.push(...said);
      this.#wake();
    });
  }

  static async start(): Promise<FakeSystemd> {
    const systemd = new FakeSystemd(await mkdtemp(path.join(tmpdir(), 'systemd-')));
    await systemd.hears((text) => text === 'bound');
    return systemd;
  }

  /** All messages so far. */
  get heard(): readonly string[] {
    return this.#heard.slice(1);
  }

  /** Resolves with the first message, past or to come, that `matches`, from the given one on. */
  async hears(matches: (text: string) => boolean, from = 0, timeoutMs = 10_000): Promise<string> {
    const late = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = this.#heard.slice(from).find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        late.addEventListener('abort', () => reject(new Error(`heard only ${JSON.stringify(this.#heard)}`)));
      });
    }
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await gone;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
