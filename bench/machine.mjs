import fs from 'node:fs';
import os from 'node:os';

/** The machine in one line. */
export function describeMachine() {
  const cpus = os.cpus();
  const gib = Math.round(os.totalmem() / 2 ** 30);
  return `${cpus.length} × ${cpus[0].model.trim()}, ${gib} GiB, ${distribution()}, Linux ${os.release()}, Node ${process.version}`;
}

/** os-release(5). */
function distribution() {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(fs.readFileSync('/etc/os-release', 'utf8'))[1];
  } catch {
    return os.type();
  }
}
