import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const folders: string[] = [];

/** What jest gives tests for a process tells nobody that it exits: each file of tests cleans up behind itself. */
afterAll(() => {
  // A program that was only just told to end may still be writing.
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** A folder of the test's own, which is gone when the tests of its file are through. */
export function tempFolder(name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), `drawbridge-${name}-`));
  folders.push(folder);
  return folder;
}
