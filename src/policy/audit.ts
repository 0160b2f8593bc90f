import path from 'node:path';
import type { AuditLog, AuditQuery } from '../contracts/callers.js';
import type { Clock, Signals } from '../contracts.js';
import { errorCode } from '../core/errors.js';
import type { AuditedEntry, AuditLine, Journal, Verification } from './auditChain.js';
import { openFileJournal } from './auditFile.js';
import { Flood } from './auditFlood.js';
import type { AuditSettings } from './auditSchema.js';

export interface AuditDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** Relative file names start here. */
  readonly baseDir: string;
  /** Where several processes serve one configuration, what tells their files apart, such as `2`. */
  readonly suffix?: string;
}

/** What waits to be written at most. */
export interface QueueLimits {
  readonly entries: number;
  readonly bytes: number;
}

const LIMITS: QueueLimits = { entries: 10_000, bytes: 16 * 1024 * 1024 };
const BATCH = 500;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** How long a closing log waits for what can't be written. */
const CLOSE_MS = 5_000;

/**
 * Opens the audit log that the configuration names.
 * @throws Error where its file can't be had; a database that is down is no failure, what comes meanwhile waits
 */
export async function openAudit(settings: AuditSettings, deps: AuditDeps): Promise<QueuedAudit> {
  if (settings.kind === 'postgres') {
    const { createPostgresJournal } = await import('./auditPostgres.js');
    return new QueuedAudit(createPostgresJournal(settings, deps.signals), deps);
  }
  const file = placeOf(settings.file, deps);
  const { journal, tornBytes } = await openFileJournal({ ...settings, file }, deps.clock);
  const log = new QueuedAudit(journal, deps);
  if (tornBytes > 0) {
    deps.signals.emit('audit.torn', { file, bytes: tornBytes });
    log.append(own('audit.torn', deps.clock.now(), tornBytes));
  }
  return log;
}

/** `audit.jsonl` → `audit.2.jsonl`, in the folder of the configuration. */
function placeOf(file: string, { baseDir, suffix }: AuditDeps): string {
  const { dir, name, ext } = path.parse(path.resolve(baseDir, file));
  return path.join(dir, suffix === undefined ? name + ext : `${name}.${suffix}${ext}`);
}

/** An entry by the log about itself. */
function own(action: string, at: number, count: number): AuditedEntry {
  return {
    at,
    requestId: '',
    action,
    subject: undefined,
    tenant: undefined,
    address: '',
    destination: undefined,
    method: undefined,
    name: undefined,
    argumentNames: [],
    outcome: 'failed',
    status: 0,
    code: undefined,
    count,
  };
}

interface Held {
  readonly log: Promise<QueuedAudit>;
  holders: number;
  closing: Promise<void> | undefined;
}

/**
 * The audit logs of a process, which outlive a reload: one place is opened once, for the old configuration and the new,
 * and closed when the last of them lets go. Changed limits take hold when it is opened anew.
 */
export class AuditLogs {
  readonly #held = new Map<string, Held>();
  readonly #open = new Set<QueuedAudit>();

  /** Lines that are not written yet. */
  get waiting(): number {
    return [...this.#open].reduce((sum, log) => sum + log.waiting, 0);
  }

  /** As `openAudit`; the log's own `close` only lets go of it. */
  async take(settings: AuditSettings, deps: AuditDeps): Promise<AuditLog> {
    const key = settings.kind === 'file' ? placeOf(settings.file, deps) : `${settings.url.reveal()} ${settings.table}`;
    await this.#held.get(key)?.closing;
    const held = this.#held.get(key) ?? { log: openAudit(settings, deps), holders: 0, closing: undefined };
    this.#held.set(key, held);
    held.holders += 1;
    try {
      const log = await held.log;
      this.#open.add(log);
      return new Share(log, () => this.#release(key, held));
    } catch (error) {
      this.#held.delete(key);
      throw error;
    }
  }

  async #release(key: string, held: Held): Promise<void> {
    held.holders -= 1;
    if (held.holders > 0) return;
    held.closing = held.log
      .then((log) => log.close().finally(() => this.#open.delete(log)))
      .finally(() => this.#held.delete(key));
    await held.closing;
  }
}

/** One holder's view of a log. */
class Share implements AuditLog {
  readonly #log: QueuedAudit;
  #release: (() => Promise<void>) | undefined;

  constructor(log: QueuedAudit, release: () => Promise<void>) {
    this.#log = log;
    this.#release = release;
  }

  append(entry: AuditedEntry): void {
    this.#log.append(entry);
  }

  query(query: AuditQuery): Promise<readonly AuditLine[]> {
    return this.#log.query(query);
  }

  verify(): Promise<Verification> {
    return this.#log.verify();
  }

  async close(): Promise<void> {
    const release = this.#release;
    this.#release = undefined;
    await release?.();
  }
}

/** The audit log: a bounded queue before a journal, so that nobody waits for a disk or a database. */
export class QueuedAudit implements AuditLog {
  readonly #journal: Journal;
  readonly #deps: Pick<AuditDeps, 'clock' | 'signals'>;
  readonly #limits: QueueLimits;
  readonly #flood: Flood;
  readonly #stop = new AbortController();
  #queue: AuditedEntry[] = [];
  #bytes = 0;
  #dropped = 0;
  #pumping: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(journal: Journal, deps: Pick<AuditDeps, 'clock' | 'signals'>, limits: QueueLimits = LIMITS) {
    this.#journal = journal;
    this.#deps = deps;
    this.#limits = limits;
    this.#flood = new Flood(deps.clock, this.#stop.signal, (entry) => this.#enqueue(entry));
  }

  /** Lines that are not written yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  append(entry: AuditedEntry): void {
    if (this.#closed) return;
    if (entry.outcome !== 'refused' || this.#flood.isFirst(entry)) this.#enqueue(entry);
  }

  query(query: AuditQuery): Promise<readonly AuditLine[]> {
    return this.#journal.query(query);
  }

  verify(): Promise<Verification> {
    return this.#journal.verify();
  }

  /** Resolves when all that was appended is kept, or can't be for now. */
  async idle(): Promise<void> {
    while (this.#pumping && !this.#failing) {
      await Promise.race([this.#pumping, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
  }

  /** Writes what waits; gives up after a while where it can't. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flood.flush();
    this.#closed = true;
    this.#stop.abort(new Error('the audit log is closed'));
    let late: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      late = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#pumping, patience]);
    clearTimeout(late);
    const lost = this.#queue.length + this.#dropped;
    if (lost > 0) this.#deps.signals.emit('audit.dropped', { count: lost });
    this.#queue = [];
    await Promise.race([this.#journal.close(), patience]);
  }

  #enqueue(entry: AuditedEntry): void {
    const size = sizeOf(entry);
    // Once full, half of it is written before anything is taken again: else every second line told of the one between.
    const share = this.#dropped > 0 ? 0.5 : 1;
    if (
      this.#queue.length >= this.#limits.entries * share ||
      (this.#queue.length > 0 && this.#bytes + size > this.#limits.bytes * share)
    ) {
      this.#dropped += 1;
      return;
    }
    this.#tellDropped();
    this.#push(entry, size);
  }

  #push(entry: AuditedEntry, size: number): void {
    this.#queue.push(entry);
    this.#bytes += size;
    this.#pumping ??= this.#pump();
  }

  /** What is missing stands in the chain, where it is missing. */
  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const count = this.#dropped;
    this.#dropped = 0;
    this.#deps.signals.emit('audit.dropped', { count });
    const entry = own('audit.dropped', this.#deps.clock.now(), count);
    this.#push(entry, sizeOf(entry));
  }

  async #pump(): Promise<void> {
    // Those that come in the same turn leave in one batch.
    await new Promise((resolve) => setImmediate(resolve));
    let pause = FIRST_PAUSE_MS;
    while (this.#queue.length > 0) {
      const kept = await this.#write();
      if (kept) pause = FIRST_PAUSE_MS;
      else if (this.#closed || !(await this.#rest(pause))) break;
      else pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
      if (this.#queue.length === 0 && !this.#closed) this.#tellDropped();
    }
    this.#pumping = undefined;
  }

  async #write(): Promise<boolean> {
    try {
      const count = await this.#journal.write(this.#queue.slice(0, BATCH));
      for (const entry of this.#queue.splice(0, count)) this.#bytes -= sizeOf(entry);
      if (this.#failing) this.#deps.signals.emit('audit.recovered', { waiting: this.#queue.length });
      this.#failing = false;
      return true;
    } catch (error) {
      if (!this.#failing) this.#deps.signals.emit('audit.failed', { reason: reasonOf(error) });
      this.#failing = true;
      return false;
    }
  }

  /** False where the log was closed: a last try is made then. */
  async #rest(ms: number): Promise<boolean> {
    try {
      await this.#deps.clock.sleep(ms, this.#stop.signal);
      return true;
    } catch {
      return this.#write();
    }
  }
}

/** Bytes in memory, roughly. */
function sizeOf(entry: AuditedEntry): number {
  let size = 400 + (entry.name?.length ?? 0) + (entry.method?.length ?? 0) + (entry.subject?.length ?? 0);
  for (const name of entry.argumentNames) size += name.length + 16;
  for (const value of entry.argumentValues ?? []) size += value.length + 16;
  return size;
}

/** A system's own word; a message of a driver may be empty. */
function reasonOf(error: unknown): string {
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  return [code, message].filter(Boolean).join(': ').slice(0, 300);
}
