import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Vault } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { errorCode } from '../core/errors.js';
import { Seal } from '../core/seal.js';
import { FileLock } from './fileLock.js';
import { readSmall, replaceFile } from './files.js';
import { openSealKey, type SealKeyDeps } from './sealKey.js';
import { Turns, Unfinished } from './turns.js';

/** A vault that ends with the process. */
export class MemoryVault implements Vault {
  readonly #documents = new Map<string, object>();
  readonly #turns = new Turns();

  async read(name: string): Promise<object | undefined> {
    return this.#documents.get(name);
  }

  async write(name: string, document: object): Promise<void> {
    this.#documents.set(name, document);
  }

  async remove(name: string): Promise<void> {
    this.#documents.delete(name);
  }

  async list(): ReturnType<Vault['list']> {
    return [...this.#documents].map(([name, document]) => ({ name, document }));
  }

  alone<Value>(name: string, _signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#turns.take(name, job);
  }

  hold<Value>(work: Promise<Value>): Promise<Value> {
    return work;
  }

  async close(): Promise<void> {}
}

/** A token request may take 15 s, and those who wait have deadlines of their own. */
const LOCK_WAIT_MS = 60_000;
const ENDING = '.sealed';
/** Of what is sealed: another version's documents mean something else. */
const VERSION = 1;

/**
 * A vault on disk: each document is a file of its own, sealed (AES-256-GCM) with a key that only its owner may read, and
 * replaced in one step. Several processes may use one folder.
 */
export class FileVault implements Vault {
  readonly #folder: string;
  readonly #deps: SealKeyDeps;
  readonly #turns = new Turns();
  readonly #unfinished = new Unfinished();
  readonly #opening = new SingleFlight<Seal>();
  readonly #unwritten = new Map<string, Unwritten>();
  #seal: Seal | undefined;

  /** `folder` is absolute; it is made, with the key, by the first document. */
  constructor(folder: string, deps: SealKeyDeps) {
    this.#folder = folder;
    this.#deps = deps;
  }

  async read(name: string): Promise<object | undefined> {
    return (await this.#ownOf(name)) ?? (await this.#readFile(this.#fileOf(name)))?.document;
  }

  async write(name: string, document: object): Promise<void> {
    const file = this.#fileOf(name);
    try {
      const seal = await this.#sealed();
      const text = JSON.stringify({ version: VERSION, name, document });
      await replaceFile(file, seal.close(text, path.basename(file)));
      this.#unwritten.delete(name);
    } catch (error) {
      this.#unwritten.set(name, { document, over: await stateOf(file) });
      this.#tellUnwritable(error);
    }
  }

  async remove(name: string): Promise<void> {
    this.#unwritten.delete(name);
    await fs.rm(this.#fileOf(name), { force: true }).catch((error: unknown) => {
      // Below what is no folder nothing was ever kept.
      if (errorCode(error) !== 'ENOTDIR') this.#tellUnwritable(error);
    });
  }

  async list(): ReturnType<Vault['list']> {
    const files = await fs.readdir(this.#folder).catch(() => []);
    const found = new Map<string, object>();
    for (const file of files.filter((each) => each.endsWith(ENDING))) {
      const read = await this.#readFile(path.join(this.#folder, file));
      if (read) found.set(read.name, read.document);
    }
    for (const [name, { document }] of this.#unwritten) found.set(name, document);
    return [...found].map(([name, document]) => ({ name, document }));
  }

  alone<Value>(name: string, signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#turns.take(name, async () => {
      const lock = await this.#lock(name, signal);
      try {
        await this.#writeAgain(name);
        return await job();
      } finally {
        await lock?.release();
      }
    });
  }

  hold<Value>(work: Promise<Value>): Promise<Value> {
    return this.#unfinished.hold(work);
  }

  /** The disk has one more chance to take what it didn't. */
  async close(): Promise<void> {
    await this.#unfinished.done();
    for (const name of [...this.#unwritten.keys()]) await this.#writeAgain(name);
  }

  async #writeAgain(name: string): Promise<void> {
    const document = await this.#ownOf(name);
    if (document) await this.write(name, document);
  }

  /** What the disk didn't take, unless another process has written since: that is newer. */
  async #ownOf(name: string): Promise<object | undefined> {
    const own = this.#unwritten.get(name);
    if (!own || (await stateOf(this.#fileOf(name))) === own.over) return own?.document;
    this.#unwritten.delete(name);
    return undefined;
  }

  /** A folder that takes no lock takes no document either: then nobody else can have one. */
  async #lock(name: string, signal: AbortSignal): Promise<FileLock | undefined> {
    try {
      await fs.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return await FileLock.wait(`${this.#fileOf(name)}.lock`, this.#deps.clock, LOCK_WAIT_MS, signal);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      this.#tellUnwritable(error);
      return undefined;
    }
  }

  async #readFile(file: string): Promise<Sealed | undefined> {
    try {
      const text = await readSmall(file);
      return text === undefined ? undefined : opened(await this.#sealed(), text, path.basename(file));
    } catch (error) {
      this.#deps.signals.emit('vault.unreadable', { file, reason: reasonOf(error) });
      return undefined;
    }
  }

  #tellUnwritable(error: unknown): void {
    this.#deps.signals.emit('vault.unwritable', { folder: this.#folder, reason: reasonOf(error) });
  }

  async #sealed(): Promise<Seal> {
    this.#seal ??= await this.#opening.run('key', async () => new Seal(await openSealKey(this.#folder, this.#deps)));
    return this.#seal;
  }

  /** No name is ever joined to a path. */
  #fileOf(name: string): string {
    return path.join(this.#folder, `${createHash('sha256').update(name).digest('hex').slice(0, 40)}${ENDING}`);
  }
}

/** What the disk would not take, and what it had instead. */
interface Unwritten {
  readonly document: object;
  readonly over: string;
}

/** Tells whether a file is still the one it was. */
async function stateOf(file: string): Promise<string> {
  return fs.stat(file).then(
    ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
    () => '',
  );
}

interface Sealed {
  readonly name: string;
  readonly document: object;
}

/** @throws Error that says why it is no document of ours */
function opened(seal: Seal, text: string, boundTo: string): Sealed {
  const content = seal.open(text, boundTo);
  if (content === undefined) throw new Error('it is damaged, or sealed with another key');
  const { version = VERSION, ...sealed } = JSON.parse(content) as Sealed & { readonly version?: number };
  if (version !== VERSION) throw new Error(`it is of version ${version}, and only version ${VERSION} is known`);
  return sealed;
}

/** The system's code, or our own words. */
function reasonOf(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : String(error));
}
