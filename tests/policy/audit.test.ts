import { QueuedAudit } from '../../src/policy/audit.js';
import {
  type AuditedEntry,
  chained,
  exportAudit,
  type Journal,
  readLine,
  START,
  Verifier,
} from '../../src/policy/auditChain.js';
import { auditSchema } from '../../src/policy/auditSchema.js';
import { SteppedClock, settle } from '../credentials/steppedClock.js';
import { FakeSignals } from '../helpers/fakes.js';
import { auditEntry } from './auditWorld.js';

/** A journal in memory that can be told to fail. */
class FakeJournal implements Journal {
  readonly kept: AuditedEntry[] = [];
  failing = false;
  writes = 0;

  write = async (entries: readonly AuditedEntry[]) => {
    this.writes += 1;
    if (this.failing) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    this.kept.push(...entries);
    return entries.length;
  };

  query = async () => [];
  verify = async () => ({ lines: this.kept.length });
  close = async () => {};
}

function bench(limits?: { entries: number; bytes: number }) {
  const journal = new FakeJournal();
  const clock = new SteppedClock();
  const signals = new FakeSignals();
  return { journal, clock, signals, log: new QueuedAudit(journal, { clock, signals }, limits) };
}

const refusal = (more: Partial<AuditedEntry> = {}) =>
  auditEntry({ outcome: 'refused', status: 401, code: 'CALLER_UNKNOWN', subject: undefined, ...more });

describe('the audit queue', () => {
  it('writes what comes together in one go', async () => {
    const { log, journal } = bench();
    for (let i = 0; i < 100; i++) log.append(auditEntry());
    expect(journal.writes).toBe(0);
    await settle();
    expect(journal.writes).toBe(1);
    expect(journal.kept).toHaveLength(100);
  });

  it('a disk that is full stops nobody: what finds no room is counted, told, and told in the chain', async () => {
    const { log, journal, clock, signals } = bench({ entries: 10, bytes: 1e6 });
    journal.failing = true;
    for (let i = 0; i < 25; i++) log.append(auditEntry({ requestId: `r${i}` }));
    await settle();
    expect(signals.named('audit.failed')).toEqual([{ reason: 'ENOSPC: no space left on device' }]);
    await clock.advance(1000);
    expect(signals.named('audit.failed')).toHaveLength(1);
    journal.failing = false;
    await clock.advance(2000);
    expect(signals.named('audit.recovered')).toHaveLength(1);
    expect(signals.named('audit.dropped')).toEqual([{ count: 15 }]);
    expect(journal.kept.slice(0, 10).map(({ requestId }) => requestId)).toEqual(
      Array.from({ length: 10 }, (_, i) => `r${i}`),
    );
    expect(journal.kept[10]).toMatchObject({ action: 'audit.dropped', count: 15 });
    log.append(auditEntry());
    await settle();
    expect(journal.kept).toHaveLength(12);
  });

  it('is bounded in bytes too', async () => {
    const { log, journal, signals } = bench({ entries: 1e6, bytes: 50_000 });
    for (let i = 0; i < 100; i++) log.append(auditEntry({ name: 'x'.repeat(1000) }));
    await log.close();
    expect(journal.kept.length).toBeLessThan(60);
    const dropped = signals.named('audit.dropped').reduce((sum, { count }) => sum + Number(count), 0);
    expect(journal.kept.filter(({ action }) => action !== 'audit.dropped').length + dropped).toBe(100);
  });

  it('makes of a flood of refusals from one address a line in a second', async () => {
    const { log, journal, clock } = bench();
    for (let second = 0; second < 3; second++) {
      for (let i = 0; i < 10_000; i++) log.append(refusal({ name: `tool-${i}` }));
      await clock.advance(1000);
    }
    await clock.advance(1000);
    expect(journal.kept).toHaveLength(4);
    expect(journal.kept.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(30_000);
    expect(journal.kept[1]).toMatchObject({
      count: 9_999,
      name: undefined,
      address: '192.0.2.1',
      action: 'tools/list',
    });
  });

  it('never counts two callers together, nor what was let through', async () => {
    const { log, journal, clock } = bench();
    for (let i = 0; i < 5; i++) {
      log.append(refusal());
      log.append(refusal({ address: '192.0.2.2' }));
      log.append(refusal({ subject: 'corp:bob' }));
      log.append(refusal({ subject: 'corp:bob', tenant: 'b' }));
      log.append(refusal({ code: 'NOT_PERMITTED', status: 403 }));
      log.append(auditEntry());
    }
    await clock.advance(1000);
    expect(journal.kept).toHaveLength(5 + 5 + 5);
    expect(journal.kept.filter(({ count }) => count === 4)).toHaveLength(5);
  });

  it('a flood from a million addresses has few lines', async () => {
    const { log, journal, clock } = bench();
    for (let i = 0; i < 50_000; i++) log.append(refusal({ address: `2001:db8::${i}` }));
    await clock.advance(1000);
    expect(journal.kept.length).toBeLessThan(300);
    expect(journal.kept.at(-1)).toMatchObject({ address: '*', count: 50_000 - 256 });
  });

  it('tells what it counted before it closes', async () => {
    const { log, journal } = bench();
    for (let i = 0; i < 5; i++) log.append(refusal());
    await log.close();
    log.append(auditEntry());
    expect(journal.kept.map(({ count }) => count)).toEqual([undefined, 4]);
  });
});

describe('the audit chain', () => {
  it('keeps every line one line of bounded length, whatever callers wrote', () => {
    const nasty = `a\n"b\u001b[2J\u2028\u202e\ud800${'x'.repeat(1e5)}`;
    const entry = auditEntry({
      name: nasty,
      subject: nasty,
      argumentNames: Array.from({ length: 500 }, () => nasty),
      argumentValues: [nasty],
    });
    const { text } = chained(entry, START);
    expect(text.length).toBeLessThan(40_000);
    expect(text).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
    expect(readLine(text)?.argumentNames).toHaveLength(100);
    expect(readLine(Buffer.from(text).toString())).toEqual(JSON.parse(text));
  });

  it('takes no line of another shape, and none whose hash is not its own', () => {
    const { text } = chained(auditEntry(), START);
    expect(readLine(text)).toBeDefined();
    for (const other of [`${text} `, text.replace('200', '201'), 'null', '{}', '', `${'['.repeat(1e5)}`]) {
      expect(readLine(other)).toBeUndefined();
    }
  });

  it('notices a first line that begins in the middle of nothing', () => {
    const { text } = chained(auditEntry(), { sequence: 0, hash: 'f'.repeat(64) });
    const verifier = new Verifier();
    expect(verifier.take(text)).toBe(false);
    expect(verifier.result()).toEqual({ lines: 0, brokenAt: 1 });
  });

  it('exports JSON lines and CSV, page by page, and no formula', async () => {
    let head = START;
    const rows = [`=HYPERLINK("http://evil")`, '+1', '-1', '@x', ' =1', 'plain, "quoted"'].map((name) => {
      const next = chained(auditEntry({ name, argumentNames: ['=a', 'b'] }), head);
      head = next.head;
      return JSON.parse(next.text);
    });
    const log = {
      query: async ({ after = 0 }: { after?: number }) => rows.filter(({ sequence }) => sequence > after).slice(0, 4),
    };
    const whole = async (format: 'csv' | 'jsonl') => {
      let text = '';
      for await (const part of exportAudit(log, {}, format)) text += part;
      return text;
    };
    expect(
      (await whole('jsonl'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(rows);
    const csv = (await whole('csv')).trimEnd().split('\r\n');
    expect(csv).toHaveLength(7);
    expect(csv[0]).toMatch(/^sequence,at,requestId,action/);
    expect(csv[1]).toContain(`,"'=HYPERLINK(""http://evil"")",'=a b,`);
    expect(csv.slice(2, 6).map((line) => line.split(',')[9])).toEqual(["'+1", "'-1", "'@x", "' =1"]);
    expect(csv[6]).toContain('"plain, ""quoted"""');
  });
});

describe('telemetry.audit', () => {
  const faults = (value: object) =>
    auditSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  it('takes a file or a database, with the defaults of each', () => {
    expect(auditSchema.parse({ file: 'audit.jsonl' })).toEqual({
      kind: 'file',
      file: 'audit.jsonl',
      maxBytes: 104_857_600,
      maxFiles: 10,
      arguments: 'names',
      values: [],
    });
    const postgres = auditSchema.parse({ postgres: 'postgres://u:canary@db/x' });
    expect(postgres).toMatchObject({ kind: 'postgres', table: 'drawbridge_audit' });
    expect(JSON.stringify(postgres)).not.toContain('canary');
  });

  it('refuses what would not be enforced', () => {
    expect(faults({})).toEqual(['file: name the place of the audit log: file or postgres']);
    expect(faults({ file: 'a', postgres: 'postgres://db' })).toEqual(['postgres: choose one place: file or postgres']);
    expect(faults({ file: 'a', table: 'b' })).toEqual(['table: goes with postgres only']);
    expect(faults({ postgres: 'postgres://db', maxBytes: 1e6 })).toEqual(['maxBytes: goes with file only']);
    expect(faults({ postgres: 'mysql://db' })).toHaveLength(1);
    expect(faults({ postgres: 'postgres://db', table: 'x; drop' })).toHaveLength(1);
    expect(faults({ file: 'a', colour: 1 })).toHaveLength(1);
  });
});
