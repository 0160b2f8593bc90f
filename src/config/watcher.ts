import fs from 'node:fs';
import path from 'node:path';

/** Editors write in several steps; what follows within this time is one change. */
const SETTLE_MS = 200;

/**
 * Calls back when one of the files has changed. Their folders are watched, not the files: an editor that renames, and
 * Kubernetes that swaps a link, replace the file itself. Returns what ends the watch.
 */
export function watchFiles(files: readonly string[], changed: () => void): () => void {
  let known = fingerprint(files);
  let settling: NodeJS.Timeout | undefined;
  const look = () => {
    const now = fingerprint(files);
    if (now === known) return;
    known = now;
    changed();
  };
  const folders = new Set(files.map((file) => path.dirname(file)));
  const watchers = [...folders].filter(fs.existsSync).map((folder) =>
    fs.watch(folder, { persistent: false }, () => {
      clearTimeout(settling);
      settling = setTimeout(look, SETTLE_MS);
    }),
  );
  // A folder that goes away takes its watch with it; the files are then as they were.
  for (const watcher of watchers) watcher.on('error', () => watcher.close());
  return () => {
    clearTimeout(settling);
    for (const watcher of watchers) watcher.close();
  };
}

function fingerprint(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = fs.statSync(file, { throwIfNoEntry: false });
      return stat ? `${stat.mtimeMs}:${stat.size}:${stat.ino}` : '-';
    })
    .join(' ');
}
