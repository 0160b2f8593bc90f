import winston from 'winston';
import type { SignalLog } from './signals.js';

export interface LogOptions {
  readonly level: Level;
  readonly format: 'json' | 'pretty';
  readonly stream: NodeJS.WritableStream;
}

type Level = 'error' | 'warn' | 'info' | 'debug';

const MESSAGE = Symbol.for('message');
const SEVERITY: Record<Level, number> = winston.config.npm.levels as Record<Level, number>;

/** Lines wait for their fellows at most so long: one write then serves many, which is most of what a line costs. */
const GATHER_MS = 10;
const GATHER_BYTES = 64 * 1024;

/** The log: one line per record on one stream. A level that is off costs one comparison. */
export class LogManager implements SignalLog {
  readonly #format: (level: Level, signal: string, text: string, fields: object) => string;
  readonly #logger: winston.Logger;
  #level: Level;
  #gathered = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LogOptions) {
    this.#level = options.level;
    this.#format = options.format === 'json' ? jsonLine : prettyLine;
    // Levels are judged here, before a record is built; lines arrive at winston as they leave it.
    this.#logger = winston.createLogger({
      level: 'debug',
      transports: [new winston.transports.Stream({ stream: options.stream, eol: '' })],
      format: { transform: (info) => info },
    });
  }

  set level(level: Level) {
    this.#level = level;
  }

  enabled(level: Level): boolean {
    return SEVERITY[level] <= SEVERITY[this.#level];
  }

  /** What went wrong is written at once, with all that led to it; the rest within GATHER_MS. */
  write(level: Level, signal: string, text: string, fields: object): void {
    this.#gathered += `${this.#format(level, signal, text, fields)}\n`;
    if (level === 'error' || level === 'warn' || this.#gathered.length > GATHER_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered === '') return;
    this.#logger.write({ level: 'info', message: '', [MESSAGE]: this.#gathered });
    this.#gathered = '';
  }
}

function jsonLine(level: Level, signal: string, text: string, fields: object): string {
  const head = `{"time":"${new Date().toISOString()}","level":"${level}","signal":"${signal}","message":${JSON.stringify(text)}`;
  const rest = JSON.stringify(fields);
  return rest === '{}' ? `${head}}` : `${head},${rest.slice(1)}`;
}

function prettyLine(level: Level, signal: string, message: string, fields: object): string {
  const time = new Date().toISOString().slice(11, 23);
  const text = signal === 'exchange' ? exchangeText(fields as Record<string, unknown>) : `${message}${pairs(fields)}`;
  return `${time} ${level.padEnd(5)} ${printable(text)}`;
}

/** One line, whatever callers wrote into it: nothing that a terminal obeys, nothing that looks like another line. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function pairs(fields: object): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
}

/** `POST tools/call echo → demo 200 in 12 ms` and the rest as pairs. */
function exchangeText(fields: Record<string, unknown>): string {
  const { method, rpc, tool, destination, status, ms, ...rest } = fields;
  const what = [method, rpc, tool].filter((part) => part !== undefined).join(' ');
  return `${what} → ${destination ?? '-'} ${status} in ${ms} ms${pairs(rest)}`;
}
