import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { CredentialError, errorCode } from '../core/errors.js';
import { parseServiceKey, type ServiceKey } from './serviceKeyFormat.js';

const MAX_BYTES = 256 * 1024;

/** A service key on disk. It is read again when it changed: keys with a certificate live for days only. */
export class ServiceKeyFile {
  /** As the operator wrote it: messages say this, not where it was found. */
  readonly name: string;
  readonly #path: string;
  #version = '';
  #key: ServiceKey | undefined;

  constructor(name: string, baseDir: string) {
    this.name = name;
    this.#path = path.resolve(baseDir, name);
  }

  /**
   * Where mcp-abap-adt-proxy keeps the session of a person at this key's destination, whose name is the file's own; undefined
   * for a key that isn't in its folder `service-keys`.
   */
  get session(): { readonly folder: string; readonly name: string } | undefined {
    const { dir, name, ext } = path.parse(this.#path);
    if (ext !== '.json' || path.basename(dir) !== 'service-keys') return undefined;
    return { folder: path.join(path.dirname(dir), 'sessions'), name };
  }

  /** What messages call it where it is to blame. */
  get words(): { readonly url: string; readonly client: string } {
    const key = `the service key ${this.name}`;
    return { url: key, client: `${key} (was it deleted or rotated?)` };
  }

  /** The key as the file has it now. Rejects with a CredentialError that names the file and nothing of its content. */
  async read(): Promise<ServiceKey> {
    const version = await this.#stat();
    if (this.#key && version === this.#version) return this.#key;
    const text = await this.#text();
    // Somebody else may have read it meanwhile: one version is one key.
    if (this.#key && version === this.#version) return this.#key;
    const key = parseServiceKey(text, this.name);
    this.#key = key;
    this.#version = version;
    return key;
  }

  /** Mounted secrets are replaced by a rename, editors write in place: time, size and inode together see both. */
  async #stat(): Promise<string> {
    const found = await stat(this.#path).catch((error: unknown) => this.#unreadable(error));
    if (!found.isFile())
      throw new CredentialError(`the service key ${this.name} is not a file`, 'Name the JSON file of a service key.');
    if (found.size > MAX_BYTES)
      throw new CredentialError(
        `the service key ${this.name} is larger than ${MAX_BYTES} bytes`,
        'Name the JSON file of a service key.',
      );
    return `${found.mtimeMs} ${found.size} ${found.ino}`;
  }

  async #text(): Promise<string> {
    const bytes = await readFile(this.#path).catch((error: unknown) => this.#unreadable(error));
    // Windows PowerShell writes redirected output as UTF-16 with a mark.
    const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8';
    return new TextDecoder(encoding).decode(bytes);
  }

  #unreadable(error: unknown): never {
    const code = errorCode(error) ?? 'no code';
    const mend =
      code === 'ENOENT'
        ? 'Create it, or correct file: it starts from the folder of the configuration.'
        : 'Let this process read it.';
    throw new CredentialError(`the service key ${this.name} cannot be read (${code})`, mend);
  }
}
