import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Signals } from '../contracts.js';
import { errorCode } from '../core/errors.js';
import { FileLock } from './fileLock.js';
import { readSmall, replaceFile } from './files.js';
import { isPlace, type Keychain, KeychainError } from './keychain.js';

export interface SealKeyDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** The system's own; absent where none is ever asked. */
  readonly keychain?: Keychain;
  /** A key that lies in the folder is moved there. */
  readonly wantKeychain?: boolean;
}

/** Of a key as text; characters. */
const KEY_LENGTH = 32;
const LOCK_WAIT_MS = 30_000;

/**
 * The key that documents are sealed with: 32 random bytes in a file that only its owner may read, or in the system's
 * keychain, which that file then names. What is there is never replaced because it can't be read today.
 * Rejects with a KeychainError, with the system's own error, or where the file is somebody else's.
 */
export async function openSealKey(folder: string, deps: SealKeyDeps): Promise<string> {
  const file = path.join(folder, 'key');
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await readKey(file);
  if (deps.wantKeychain && deps.keychain && !(found && isPlace(found)))
    return moveToKeychain(file, deps.keychain, deps);
  return keyFrom(found ?? (await makeKey(file)), deps);
}

async function keyFrom(text: string, { keychain }: SealKeyDeps): Promise<string> {
  if (!isPlace(text)) return text;
  if (!keychain) throw new KeychainError('the key lies in a keychain, which nobody may ask here');
  return keychain.find(text);
}

/** One process at a time; a keychain that can't be used leaves everything as it was. */
async function moveToKeychain(file: string, keychain: Keychain, deps: SealKeyDeps): Promise<string> {
  const lock = await FileLock.wait(`${file}.lock`, deps.clock, LOCK_WAIT_MS);
  try {
    const found = await readKey(file);
    if (found && isPlace(found)) return await keyFrom(found, deps);
    const key = found ?? newKey();
    const place = await keep(key, keychain, deps.signals);
    if (place === undefined) return found ?? (await makeKey(file));
    await replaceFile(file, place);
    return key;
  } finally {
    await lock.release();
  }
}

/** Only what can be read again counts as kept. */
async function keep(key: string, keychain: Keychain, signals: Signals): Promise<string | undefined> {
  try {
    const place = await keychain.keep(key);
    if ((await keychain.find(place)) === key) return place;
    throw new KeychainError('it gives back another key');
  } catch (error) {
    if (!(error instanceof KeychainError)) throw error;
    signals.emit('vault.keychain-unusable', { keychain: keychain.name, reason: error.message });
    return undefined;
  }
}

/** Undefined where there is none. One that was cut short is set aside: what it sealed can't be opened any more. */
async function readKey(file: string): Promise<string | undefined> {
  await assertOwn(file);
  const text = await readSmall(file);
  if (text === undefined || text.length >= KEY_LENGTH) return text;
  await fs.rename(file, `${file}.${randomBytes(8).toString('hex')}.broken`).catch(unlessCode('ENOENT'));
  return undefined;
}

/** A key that somebody else wrote is one that somebody else knows; the link to it counts as well. */
async function assertOwn(file: string): Promise<void> {
  const user = process.geteuid?.();
  if (user === undefined) return;
  for (const look of [fs.lstat, fs.stat]) {
    const found = await look(file).catch(unlessCode('ENOENT'));
    if (found && found.uid !== user && found.uid !== 0) throw new Error('its key file belongs to somebody else');
    if (found && look === fs.stat && (found.mode & 0o077) !== 0) await fs.chmod(file, 0o600).catch(() => {});
  }
}

/** Of several processes that make one, one wins. */
async function makeKey(file: string): Promise<string> {
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    await fs.writeFile(draft, newKey(), { flag: 'wx', mode: 0o600, flush: true });
    await fs.link(draft, file).catch(unlessCode('EEXIST'));
  } finally {
    await fs.rm(draft, { force: true });
  }
  const key = await readKey(file);
  if (key === undefined) throw new Error('its key file holds no key');
  return key;
}

function newKey(): string {
  return randomBytes(32).toString('base64url');
}

function unlessCode(code: string): (error: unknown) => undefined {
  return (error) => {
    if (errorCode(error) !== code) throw error;
  };
}
