import { readFile } from 'node:fs/promises';
import { errorCode } from '../core/errors.js';
import { integer } from '../core/schema.js';
import { SecretError } from './secretError.js';

/** How often what a manager holds is read again: 1 second to a day, in milliseconds. */
export function refreshMs() {
  return integer(1_000, 86_400_000).prefault(300_000);
}

/** A small file that the platform writes and renews. Rejects with a SecretError. */
export async function readPlatformFile(file: string, mend: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new SecretError(`${file} can't be read (${errorCode(error) ?? 'no code'})`, mend);
  }
}
