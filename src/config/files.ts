import fs from 'node:fs';
import { errorCode, type Fault } from '../core/errors.js';
import type { Place } from './tree.js';
import { faultAt } from './tree.js';

/** Bytes that any one file of a configuration may have. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** A file's text, or what is wrong with it. */
export type FileText = { readonly text: string } | { readonly fault: Fault };

/**
 * Reads a small text file whole, UTF-8, without a byte order mark. Never rejects.
 * `place` is what names the file: its fault stands there.
 */
export async function readSmallFile(file: string, place: Place): Promise<FileText> {
  try {
    const bytes = await readAtMost(file, MAX_FILE_BYTES + 1);
    if (bytes.length > MAX_FILE_BYTES) return { fault: faultAt(place, `${file} is larger than 1 MiB`) };
    return { text: bytes.toString('utf8').replace(/^\uFEFF/, '') };
  } catch (error) {
    return { fault: faultAt(place, describe(file, errorCode(error))) };
  }
}

/** Streams, since a pipe or a file under /proc doesn't tell its size beforehand. */
async function readAtMost(file: string, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of fs.createReadStream(file, { end: bytes - 1 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function describe(file: string, code: string | undefined): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return `${file} doesn't exist`;
  if (code === 'EACCES' || code === 'EPERM') return `${file} may not be read by this user`;
  if (code === 'EISDIR') return `${file} is a folder`;
  return `${file} can't be read${code ? ` (${code})` : ''}`;
}
