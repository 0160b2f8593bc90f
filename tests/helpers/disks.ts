import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** A disk of a few KiB, which can be filled up and made read-only; null where this user may not mount one. */
export interface SmallDisk {
  readonly path: string;
  fill(): void;
  makeRoom(): void;
  readOnly(is: boolean): void;
  remove(): void;
}

export function smallDisk(place: string): SmallDisk | null {
  fs.mkdirSync(place, { recursive: true });
  const mount = (...args: string[]) => spawnSync('mount', args).status === 0;
  if (!mount('-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', place)) return null;
  const filler = path.join(place, 'filler');
  return {
    path: place,
    fill() {
      try {
        for (;;) fs.appendFileSync(filler, 'x'.repeat(4096));
      } catch {}
    },
    makeRoom: () => fs.rmSync(filler, { force: true }),
    readOnly: (is) => void mount('-o', `remount,${is ? 'ro' : 'rw'}`, place),
    remove: () => void spawnSync('umount', ['-l', place]),
  };
}

const probe = fs.mkdtempSync('/tmp/drawbridge-mount-');
const probed = process.platform === 'linux' ? smallDisk(probe) : null;
probed?.remove();
fs.rmdirSync(probe);

/** Why tests that need a disk of their own are left out; undefined where they run. */
export const withoutDisks = probed ? undefined : 'mounting a tmpfs is not permitted here';
