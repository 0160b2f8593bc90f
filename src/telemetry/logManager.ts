import type { Logger } from 'winston';
// Winston's `index.js` brings transports for files and HTTP besides, which no start should pay for.
import createLogger from 'winston/lib/winston/create-logger.js';
import StreamTransport from 'winston/lib/winston/transports/stream.js';
import type { LogLevel } from '../contracts/logLevels.js';
import type { Secret } from '../core/secret.js';
import { LogRules } from './logRules.js';
import { redactor } from './redact.js';
import type { SignalLog } from './signals.js';

export interface LogOptions {
  readonly level: LogLevel;
  /** By destination. */
  readonly levels?: Readonly<Record<string, LogLevel>>;
  readonly format: 'json' | 'pretty';
  readonly stream: NodeJS.WritableStream;
  /** Whether other processes write to the same stream: nothing longer than what a pipe takes in one piece is written at once then. */
  readonly shared?: boolean;
}

const MESSAGE = Symbol.for('message');

/** Records wait for their fellows at most so long: written in one go, each costs half of what it costs alone (ADR 7). */
const GATHER_MS = 10;
const GATHER_RECORDS = 500;
/** PIPE_BUF on Linux: what is longer may be mixed with what others write (POSIX write). */
const ATOMIC_BYTES = 4096;

interface LogRecord {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly level: LogLevel;
  readonly signal: string;
  readonly text: string;
  readonly fields: object;
}

/** The log: one line per record on one stream. A level that is off costs one comparison. */
export class LogManager implements SignalLog {
  readonly rules: LogRules;
  readonly #format: (record: LogRecord, time: string) => string;
  readonly #times = new Times();
  readonly #logger: Logger;
  readonly #shared: boolean;
  #gathered: LogRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hidden: readonly Secret[] = [];
  #redact: ((line: string) => string) | undefined;

  constructor(options: LogOptions) {
    this.rules = new LogRules({ level: options.level, destinations: options.levels ?? {} });
    this.#shared = options.shared ?? false;
    this.#format = options.format === 'json' ? jsonLine : prettyLine;
    // Levels are judged here, before a record is built; lines arrive at winston as they leave it.
    this.#logger = createLogger({
      level: 'debug',
      transports: [new StreamTransport({ stream: options.stream, eol: '' })],
      format: { transform: (info) => info },
    });
  }

  /** Shows none of these from now on, nor any of those before: what they were good for may still be under way. */
  hide(values: readonly Secret[]): void {
    const all = [...this.#hidden, ...values];
    this.#hidden = values;
    this.#redact = redactor(all.map((value) => value.reveal()));
  }

  enabled(level: LogLevel, destination?: string): boolean {
    return this.rules.admits(level, destination);
  }

  /** What went wrong is written at once, with all that led to it; the rest within GATHER_MS. The fields are the log's from then on. */
  write(level: LogLevel, signal: string, text: string, fields: object): void {
    this.#gathered.push({ at: Date.now(), level, signal, text, fields });
    if (level === 'error' || level === 'warn' || this.#gathered.length >= GATHER_RECORDS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered.length === 0) return;
    let lines = '';
    for (const record of this.#gathered) lines += `${this.#format(record, this.#times.text(record.at))}\n`;
    this.#gathered = [];
    const shown = this.#redact ? this.#redact(lines) : lines;
    for (const piece of this.#shared ? piecesOf(shown, ATOMIC_BYTES) : [shown]) {
      this.#logger.write({ level: 'info', message: '', [MESSAGE]: piece });
    }
  }
}

/** Whole lines together, as many as fit; one that is longer stands alone. */
function piecesOf(lines: string, most: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const line of lines.split(/(?<=\n)/)) {
    if (piece !== '' && Buffer.byteLength(piece) + Buffer.byteLength(line) > most) {
      pieces.push(piece);
      piece = '';
    }
    piece += line;
  }
  return [...pieces, piece];
}

/** Moments as RFC 3339 has them; many records share a millisecond. */
class Times {
  #at = 0;
  #text = '';

  text(at: number): string {
    if (at !== this.#at) this.#text = new Date(at).toISOString();
    this.#at = at;
    return this.#text;
  }
}

/** Levels, signals and texts are our own table's: nothing in them needs escaping. */
function jsonLine({ level, signal, text, fields }: LogRecord, time: string): string {
  return `{"time":"${time}","level":"${level}","signal":"${signal}","message":"${text}"${members(fields)}}`;
}

/** As `JSON.stringify` has them, for less than two thirds of what that costs (ADR 10): nearly all of them are plain text and numbers. */
function members(fields: object): string {
  const values = fields as Readonly<Record<string, unknown>>;
  let text = '';
  for (const name in values) {
    const value = values[name];
    if (typeof value === 'string' && isPlain(value)) text += `,"${name}":"${value}"`;
    else if (typeof value === 'number' && Number.isFinite(value)) text += `,"${name}":${value}`;
    else if (value !== undefined) text += `,"${name}":${JSON.stringify(value) ?? null}`;
  }
  return text;
}

/** True for text in which JSON escapes nothing. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char < 32 || char > 126 || char === 34 || char === 92) return false;
  }
  return true;
}

function prettyLine({ level, signal, text, fields }: LogRecord, time: string): string {
  const what = signal === 'exchange' ? exchangeText(fields as Record<string, unknown>) : `${text}${pairs(fields)}`;
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${printable(what)}`;
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
