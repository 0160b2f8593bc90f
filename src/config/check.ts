import type { Fault } from '../core/errors.js';

/** One line per fault. */
export function renderFaults(faults: readonly Fault[]): string {
  return faults.map(renderFault).join('\n');
}

/** `file:path, line n: message (hint)`; a warning says so. Without a path, the file as a whole is meant. */
export function renderFault({ file, path, line, message, hint, severity }: Fault): string {
  const where = [path === '' ? file : `${file}:${path}`, ...(line === undefined ? [] : [`line ${line}`])].join(', ');
  const text = severity === 'warning' ? `warning: ${message}` : message;
  return `${where}: ${text}${hint === undefined ? '' : ` (${hint})`}`;
}
