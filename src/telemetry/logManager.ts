import winston from 'winston';
import type { SignalLog } from './signals.js';

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'json' | 'pretty';
  readonly stream: NodeJS.WritableStream;
}

const MESSAGE = Symbol.for('message');

/** The log: one line per record on one stream. A level that is off costs one comparison. */
export function createLog(options: LogOptions): SignalLog & { level(level: LogOptions['level']): void } {
  const logger = winston.createLogger({
    level: options.level,
    format: winston.format((info) => {
      info[MESSAGE] = options.format === 'json' ? jsonLine(info) : prettyLine(info);
      return info;
    })(),
    transports: [new winston.transports.Stream({ stream: options.stream })],
  });
  return {
    enabled: (level) => (winston.config.npm.levels[level] ?? 0) <= (winston.config.npm.levels[logger.level] ?? 0),
    write: (level, signal, message, fields) => {
      logger.log({ level, message, signal, fields });
    },
    level(level) {
      logger.level = level;
    },
  };
}

function jsonLine({ level, message, signal, fields }: winston.Logform.TransformableInfo): string {
  return JSON.stringify({ time: new Date().toISOString(), level, signal, message, ...(fields as object) });
}

function prettyLine({ level, message, signal, fields }: winston.Logform.TransformableInfo): string {
  const time = new Date().toISOString().slice(11, 23);
  const text =
    signal === 'exchange' ? exchangeText(fields as Record<string, unknown>) : `${message}${pairs(fields as object)}`;
  return `${time} ${level.padEnd(5)} ${text}`;
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
