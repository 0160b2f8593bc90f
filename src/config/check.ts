import type { Fault } from '../core/errors.js';

/** One line per fault: `file:path: message (hint)`, with ` line n` after the path where the line is known. */
export function renderFaults(faults: readonly Fault[]): string {
  return faults.map(renderFault).join('\n');
}

/** `file:path, line n: message (hint)`; a warning says so. */
export function renderFault({ file, path, line, message, hint, severity }: Fault): string {
  const where = [`${file}:${path}`, ...(line === undefined ? [] : [`line ${line}`])].join(', ');
  const text = severity === 'warning' ? `warning: ${message}` : message;
  return `${where}: ${text}${hint === undefined ? '' : ` (${hint})`}`;
}
