import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../src/core/async.js';
import { AuditLogs, openAudit, type QueuedAudit } from '../../src/policy/audit.js';
import { openFileJournal } from '../../src/policy/auditFile.js';
import { auditSchema, type FileSettings } from '../../src/policy/auditSchema.js';
import { FakeSignals } from '../helpers/fakes.js';
import { tempFolder } from '../helpers/tempFolder.js';
import { auditEntry } from './auditWorld.js';

describe('the audit log in files', () => {
  const folder = tempFolder('audit');
  const opened: QueuedAudit[] = [];
  let signals: FakeSignals;
  let count = 0;
  let file: string;

  beforeEach(() => {
    signals = new FakeSignals();
    count += 1;
    file = path.join(folder, `${count}`, 'audit.jsonl');
  });

  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
  });

  const settings = (more: Partial<FileSettings> = {}): FileSettings => ({
    ...(auditSchema.parse({ file }) as FileSettings),
    ...more,
  });

  async function open(more: Partial<FileSettings> = {}, suffix?: string): Promise<QueuedAudit> {
    const deps = { clock: systemClock, signals, baseDir: '/', ...(suffix === undefined ? {} : { suffix }) };
    const log = await openAudit(settings(more), deps);
    opened.push(log);
    return log;
  }

  async function fill(log: QueuedAudit, lines: number, more: object = {}): Promise<void> {
    for (let i = 0; i < lines; i++) log.append(auditEntry({ at: i, requestId: `r${i}`, ...more }));
    await log.idle();
  }

  const lines = () => fs.readFileSync(file, 'utf8').trimEnd().split('\n');

  it('chains its lines, and goes on after it was opened again', async () => {
    const first = await open();
    await fill(first, 3);
    await first.close();
    const second = await open();
    await fill(second, 2);
    expect(await second.verify()).toEqual({ lines: 5 });
    const parsed = lines().map((line) => JSON.parse(line));
    expect(parsed.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(parsed.slice(1).map(({ previous }) => previous)).toEqual(parsed.slice(0, -1).map(({ hash }) => hash));
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  it('begins a new file when one is full, keeps as many as it may, and the chain goes through all', async () => {
    const log = await open({ maxBytes: 2000, maxFiles: 3 });
    for (let i = 0; i < 40; i++) await fill(log, 1);
    const names = fs.readdirSync(path.dirname(file)).filter((name) => name.startsWith('audit.jsonl'));
    expect(names.filter((name) => !name.endsWith('.lock'))).toHaveLength(3);
    for (const name of names) expect(fs.statSync(path.join(path.dirname(file), name)).size).toBeLessThanOrEqual(2000);
    const { lines: kept, brokenAt } = await log.verify();
    expect(brokenAt).toBeUndefined();
    expect(kept).toBeGreaterThan(8);
    const all = await log.query({ limit: 1000 });
    expect(all.map(({ sequence }) => sequence)).toEqual(Array.from({ length: kept }, (_, i) => 41 - kept + i));
    await log.close();
    const again = await open({ maxBytes: 2000, maxFiles: 3 });
    await fill(again, 1);
    expect(await again.verify()).toMatchObject({ lines: expect.any(Number) });
    expect((await again.query({ limit: 1 }))[0]?.sequence).toBe(41);
  });

  it('finds lines by every filter, newest last, and pages forward', async () => {
    const log = await open({ maxBytes: 1500 });
    await fill(log, 10);
    await fill(log, 10, { subject: 'corp:bob', tenant: 'b', destination: 'files', action: 'tools/call' });
    const found = async (query: object) => (await log.query({ limit: 1000, ...query })).map(({ sequence }) => sequence);
    expect(await found({ limit: 2 })).toEqual([19, 20]);
    expect(await found({ limit: 2, after: 3 })).toEqual([4, 5]);
    expect(await found({ subject: 'corp:bob', limit: 3 })).toEqual([18, 19, 20]);
    expect(await found({ tenant: 'b', destination: 'files', action: 'tools/call', from: 2, to: 3 })).toEqual([13, 14]);
    expect(await found({ subject: 'corp' })).toEqual([]);
    expect(await found({ limit: 0 })).toEqual([]);
    expect(await found({ limit: 1e9 })).toHaveLength(20);
  });

  it.each([
    ['changed', (all: string[]) => all.map((line, i) => (i === 2 ? line.replace('corp:ann', 'corp:bob') : line)), 3],
    ['taken away', (all: string[]) => all.filter((_, i) => i !== 2), 3],
    ['moved', (all: string[]) => [all[0], all[2], all[1], ...all.slice(3)] as string[], 2],
    ['given a second meaning', (all: string[]) => all.map((l, i) => (i === 1 ? l.replace('{', '{"x":1,') : l)), 2],
    ['cut off at the end', (all: string[]) => all.slice(0, 4), 5],
  ])('notices a line that was %s', async (_what, change, brokenAt) => {
    const log = await open();
    await fill(log, 6);
    fs.writeFileSync(file, `${change(lines()).join('\n')}\n`);
    expect(await log.verify()).toEqual({ lines: brokenAt - 1, brokenAt });
  });

  it('sets half a line aside after a crash, says so in the chain, and goes on', async () => {
    const first = await open();
    await fill(first, 3);
    await first.close();
    fs.appendFileSync(file, '{"sequence":4,"previous":"ab');
    const second = await open();
    await fill(second, 1);
    expect(signals.named('audit.torn')).toEqual([{ file, bytes: 28 }]);
    expect(fs.readFileSync(`${file}.torn`, 'utf8')).toBe('{"sequence":4,"previous":"ab');
    expect(await second.verify()).toEqual({ lines: 5 });
    expect((await second.query({ limit: 2 }))[0]).toMatchObject({ action: 'audit.torn', count: 28, sequence: 4 });
  });

  it('sets a file aside of which nothing can be read', async () => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, '\0'.repeat(5000));
    const log = await open();
    await fill(log, 1);
    expect(await log.verify()).toEqual({ lines: 2 });
    expect(fs.readdirSync(path.dirname(file)).some((name) => name.endsWith('.torn'))).toBe(true);
  });

  it('refuses a file that another process writes to, and takes over the lock of one that is dead', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const stat = () => fs.readFileSync(`/proc/${other.pid}/stat`, 'utf8');
    const started = fs.existsSync('/proc/self/stat') ? (stat().split(') ')[1]?.split(' ')[19] ?? '') : '';
    const host = (await import('node:os')).hostname();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const lock = (more: object) =>
      fs.writeFileSync(`${file}.lock`, JSON.stringify({ pid: other.pid, host, started, token: 't', ...more }));
    lock({});
    await expect(open()).rejects.toThrow(`written to by process ${other.pid}`);
    // The same number, but another process by now.
    lock({ started: 'before' });
    await (await open()).close();
    lock({});
    const ended = new Promise((resolve) => other.once('exit', resolve));
    other.kill('SIGKILL');
    await ended;
    await fill(await open(), 1);
    expect(lines()).toHaveLength(1);
  });

  it('lets one of many take over a stale lock', async () => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(`${file}.lock`, JSON.stringify({ pid: 2 ** 22 + 1, host: 'gone', started: '', token: 't' }));
    fs.utimesSync(`${file}.lock`, 1, 1);
    const tries = Array.from({ length: 8 }, () => openFileJournal({ file, maxBytes: 1e6, maxFiles: 2 }, systemClock));
    const settled = await Promise.allSettled(tries);
    const won = settled.filter((one) => one.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]?.value.journal.close();
    expect(fs.existsSync(`${file}.lock`)).toBe(false);
  });

  it('gives each process of a crew a file of its own', async () => {
    const logs = [await open({}, '1'), await open({}, '2')];
    for (const log of logs) await fill(log, 1);
    expect(fs.readdirSync(path.dirname(file)).sort()).toEqual(
      ['audit.1.jsonl', 'audit.1.jsonl.lock', 'audit.2.jsonl', 'audit.2.jsonl.lock'].sort(),
    );
  });

  it('stays open over a reload, and is closed when nobody holds it', async () => {
    const logs = new AuditLogs();
    const deps = { clock: systemClock, signals, baseDir: '/' };
    const old = await logs.take(settings(), deps);
    const next = await logs.take(settings(), deps);
    old.append(auditEntry());
    await old.close();
    await old.close();
    next.append(auditEntry());
    await next.close();
    const last = await logs.take(settings(), deps);
    expect(await last.verify()).toEqual({ lines: 2 });
    await last.close();
    expect(fs.existsSync(`${file}.lock`)).toBe(false);
  });

  it('begins anew, in the same chain, when its file is taken away', async () => {
    const log = await open();
    await fill(log, 2);
    fs.rmSync(file);
    await fill(log, 1);
    expect(lines().map((line) => JSON.parse(line).sequence)).toEqual([3]);
  });

  const disk = path.join(folder, 'disk');
  const mounted = mountSmallDisk(disk);

  (mounted ? it : it.skip)(
    `survives a full disk, and no half line stays in the chain${mounted ? '' : ' (skipped: no right to mount one)'}`,
    async () => {
      file = path.join(disk, 'audit.jsonl');
      const hasty = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(20, signal) };
      const log = await openAudit(settings(), { clock: hasty, signals, baseDir: '/' });
      opened.push(log);
      await fill(log, 3);
      const ballast = path.join(disk, 'ballast');
      expect(() => fs.writeFileSync(ballast, Buffer.alloc(1024 * 1024))).toThrow('ENOSPC');
      for (let i = 0; i < 10_100; i++) log.append(auditEntry({ name: 'x'.repeat(200) }));
      await wait(200);
      expect(signals.named('audit.failed')).toEqual([{ reason: expect.stringContaining('ENOSPC') }]);
      fs.truncateSync(ballast, 0);
      while (signals.named('audit.recovered').length === 0) await wait(10);
      expect(signals.named('audit.torn')).toEqual([]);
      expect((await log.verify()).brokenAt).toBeUndefined();
    },
  );

  afterAll(() => {
    if (mounted) execFileSync('umount', [disk]);
  });
});

/** A disk of half a megabyte, where this machine lets us have one. */
function mountSmallDisk(place: string): boolean {
  try {
    fs.mkdirSync(place, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', place], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
