import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Signals, Vault } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { errorCode } from '../core/errors.js';
import { Seal } from '../core/seal.js';
import { FileLock } from './fileLock.js';
import { replaceFile } from './files.js';

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

  close(): void {}
}

/** One job per name at a time, in this process. */
class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<Value>(name: string, job: () => Promise<Value>): Promise<Value> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(job, job);
    const over = turn
      .catch(() => {})
      .then(() => {
        if (this.#last.get(name) === over) this.#last.delete(name);
      });
    this.#last.set(name, over);
    return turn;
  }
}

export interface VaultDeps {
  readonly clock: Clock;
  readonly signals: Signals;
}

/** The largest document; the largest key file. Bytes. */
const MOST_BYTES = 256 * 1024;
/** A token request may take 15 s, and those who wait have deadlines of their own. */
const LOCK_WAIT_MS = 60_000;
const ENDING = '.sealed';
/** Of a key as text; characters. */
const KEY_LENGTH = 32;

/**
 * A vault on disk: each document is a file of its own, sealed (AES-256-GCM) with a key beside it that only its owner may
 * read, and replaced in one step. Several processes may use one folder.
 */
export class FileVault implements Vault {
  readonly #folder: string;
  readonly #deps: VaultDeps;
  readonly #turns = new Turns();
  readonly #opening = new SingleFlight<Seal>();
  /** What the disk would not take. */
  readonly #unwritten = new Map<string, object>();
  #seal: Seal | undefined;

  /** `folder` is absolute; it is made, with the key, by the first document. */
  constructor(folder: string, deps: VaultDeps) {
    this.#folder = folder;
    this.#deps = deps;
  }

  async read(name: string): Promise<object | undefined> {
    return this.#unwritten.get(name) ?? (await this.#readFile(this.#fileOf(name)))?.document;
  }

  async write(name: string, document: object): Promise<void> {
    try {
      const seal = await this.#sealed();
      const file = this.#fileOf(name);
      await replaceFile(file, seal.close(JSON.stringify({ name, document }), path.basename(file)));
      this.#unwritten.delete(name);
    } catch (error) {
      this.#unwritten.set(name, document);
      this.#deps.signals.emit('vault.unwritable', { folder: this.#folder, reason: errorCode(error) ?? String(error) });
    }
  }

  async remove(name: string): Promise<void> {
    this.#unwritten.delete(name);
    await fs.rm(this.#fileOf(name), { force: true });
  }

  async list(): ReturnType<Vault['list']> {
    const files = await fs.readdir(this.#folder).catch(() => []);
    const found = new Map<string, object>();
    for (const file of files.filter((each) => each.endsWith(ENDING))) {
      const read = await this.#readFile(path.join(this.#folder, file));
      if (read) found.set(read.name, read.document);
    }
    for (const [name, document] of this.#unwritten) found.set(name, document);
    return [...found].map(([name, document]) => ({ name, document }));
  }

  alone<Value>(name: string, signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#turns.take(name, async () => {
      const lock = await this.#lock(name, signal);
      try {
        return await job();
      } finally {
        await lock?.release();
      }
    });
  }

  close(): void {}

  /** A folder that takes no lock takes no document either: then nobody else can have one. */
  async #lock(name: string, signal: AbortSignal): Promise<FileLock | undefined> {
    try {
      await fs.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return await FileLock.wait(`${this.#fileOf(name)}.lock`, this.#deps.clock, LOCK_WAIT_MS, signal);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      this.#deps.signals.emit('vault.unwritable', { folder: this.#folder, reason: errorCode(error) });
      return undefined;
    }
  }

  async #readFile(file: string): Promise<{ readonly name: string; readonly document: object } | undefined> {
    const text = await readSmall(file);
    if (text === undefined) return undefined;
    const opened = (await this.#sealed().catch(() => undefined))?.open(text, path.basename(file));
    if (opened !== undefined) return JSON.parse(opened) as { name: string; document: object };
    this.#deps.signals.emit('vault.unreadable', { file });
    return undefined;
  }

  async #sealed(): Promise<Seal> {
    this.#seal ??= await this.#opening.run('key', () => openSeal(this.#folder));
    return this.#seal;
  }

  /** No name is ever joined to a path. */
  #fileOf(name: string): string {
    return path.join(this.#folder, `${createHash('sha256').update(name).digest('hex').slice(0, 40)}${ENDING}`);
  }
}

/** The seal whose key lies in the folder; a new key where there is none. Of several processes that make one, one wins. */
async function openSeal(folder: string): Promise<Seal> {
  const file = path.join(folder, 'key');
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  const found = await readSmall(file);
  // What it sealed can't be opened any more; it is set aside for whoever has a copy of it.
  if (found !== undefined && found.length < KEY_LENGTH) await fs.rename(file, `${draft}.broken`);
  if (found === undefined || found.length < KEY_LENGTH) {
    await fs.writeFile(draft, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 });
    await fs.link(draft, file).catch(unlessThere);
    await fs.rm(draft, { force: true });
  }
  const key = await readSmall(file);
  if (key === undefined || key.length < KEY_LENGTH) throw new Error(`${file} holds no key`);
  await fs.chmod(file, 0o600).catch(() => {});
  return new Seal(key);
}

function unlessThere(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error;
}

/** Undefined where there is none, or none that could be ours. */
async function readSmall(file: string): Promise<string | undefined> {
  try {
    const { size } = await fs.stat(file);
    return size > MOST_BYTES ? '' : await fs.readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    return '';
  }
}
