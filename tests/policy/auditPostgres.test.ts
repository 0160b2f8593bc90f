import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { systemClock } from '../../src/core/async.js';
import { openAudit, type QueuedAudit } from '../../src/policy/audit.js';
import { auditSchema } from '../../src/policy/auditSchema.js';
import { FakeSignals } from '../helpers/fakes.js';
import { NO_POSTGRES, type PostgresServer, startPostgres } from '../helpers/postgresServer.js';
import { auditEntry } from './auditWorld.js';

/** Time as it is, but no long sleep. */
const hasty = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(50, signal) };

(NO_POSTGRES ? describe.skip : describe)(`the audit log in Postgres${NO_POSTGRES}`, () => {
  let server: PostgresServer;
  let client: pg.Client;
  let table = 0;
  const opened: QueuedAudit[] = [];
  const signals = new FakeSignals();

  beforeAll(async () => {
    server = await startPostgres();
    client = new pg.Client(server.url);
    client.on('error', () => {});
    await client.connect();
  });

  beforeEach(() => {
    table += 1;
    signals.emitted.length = 0;
  });

  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
  });

  afterAll(async () => {
    await client.end().catch(() => {});
    await server.stop();
  });

  async function open(url = server.url): Promise<QueuedAudit> {
    const settings = auditSchema.parse({ postgres: url, table: `audit_${table}` });
    const log = await openAudit(settings, { clock: hasty, signals, baseDir: '/' });
    opened.push(log);
    return log;
  }

  it('makes its table, keeps lines, and finds them by every filter, newest last', async () => {
    const log = await open();
    expect(await log.query({ limit: 10 })).toEqual([]);
    log.append(auditEntry({ at: 1, subject: 'corp:ann', tenant: 'a', action: 'tools/call' }));
    log.append(auditEntry({ at: 2, subject: 'corp:bob', tenant: 'b', destination: 'files' }));
    log.append(auditEntry({ at: 3, subject: "corp:'; DROP TABLE audit_1; --\u0000", tenant: 'a' }));
    await log.idle();
    const found = async (query: object) => (await log.query({ limit: 10, ...query })).map(({ sequence }) => sequence);
    expect(await found({})).toEqual([1, 2, 3]);
    expect(await found({ limit: 2 })).toEqual([2, 3]);
    expect(await found({ limit: 1, after: 1 })).toEqual([2]);
    expect(await found({ tenant: 'a' })).toEqual([1, 3]);
    expect(await found({ subject: 'corp:bob' })).toEqual([2]);
    expect(await found({ destination: 'files' })).toEqual([2]);
    expect(await found({ action: 'tools/call', from: 1, to: 1 })).toEqual([1]);
    expect(await found({ from: 2, to: 2 })).toEqual([2]);
    expect(await log.verify()).toEqual({ lines: 3 });
  });

  it('goes on with the chain after a restart, and makes one chain of what several processes write', async () => {
    const [one, two] = [await open(), await open()];
    for (let i = 0; i < 300; i++) (i % 2 ? one : two).append(auditEntry({ requestId: `r${i}` }));
    await Promise.all([one.idle(), two.idle()]);
    await one.close();
    const three = await open();
    three.append(auditEntry());
    await three.idle();
    expect(await three.verify()).toEqual({ lines: 301 });
    const ids = new Set((await three.query({ limit: 1000 })).map(({ requestId }) => requestId));
    expect(ids.size).toBe(301);
  });

  it('notices a line that was changed, taken away, or whose columns lie', async () => {
    const log = await open();
    for (let i = 0; i < 5; i++) log.append(auditEntry({ subject: 'corp:ann' }));
    await log.idle();
    await client.query(`UPDATE audit_${table} SET subject = 'corp:bob' WHERE sequence = 4`);
    expect(await log.verify()).toEqual({ lines: 3, brokenAt: 4 });
    await client.query(`UPDATE audit_${table} SET line = replace(line, 'corp:ann', 'corp:bob') WHERE sequence = 3`);
    expect(await log.verify()).toEqual({ lines: 2, brokenAt: 3 });
    await client.query(`DELETE FROM audit_${table} WHERE sequence = 2`);
    expect(await log.verify()).toEqual({ lines: 1, brokenAt: 2 });
  });

  it('needs no more rights than to insert and select, where the table is there', async () => {
    const owner = await open();
    owner.append(auditEntry());
    await owner.idle();
    await client.query(`DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN;
      REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT, INSERT ON audit_${table} TO writer`);
    const log = await open(server.url.replace('postgres@', 'writer@'));
    log.append(auditEntry());
    await log.idle();
    expect(signals.named('audit.failed')).toEqual([]);
    expect(await log.verify()).toEqual({ lines: 2 });
  });

  it('holds what comes while the database is down, says so once, and writes it when it is back', async () => {
    const log = await open();
    log.append(auditEntry({ requestId: 'before' }));
    await log.idle();
    await server.crash();
    for (let i = 0; i < 20; i++) log.append(auditEntry({ requestId: `down ${i}` }));
    await wait(300);
    expect(signals.named('audit.failed')).toHaveLength(1);
    expect(JSON.stringify(signals.emitted)).not.toContain('postgres://');
    await server.start();
    while (signals.named('audit.recovered').length === 0) await wait(20);
    await log.idle();
    expect(await log.verify()).toEqual({ lines: 21 });
  });

  it('starts while the database is down, and shows its password to nobody', async () => {
    const log = await open('postgres://user:canary-secret@127.0.0.1:1/none');
    log.append(auditEntry());
    await wait(200);
    const [failed] = signals.named('audit.failed');
    expect(failed?.reason).toContain('ECONNREFUSED');
    expect(JSON.stringify(signals.emitted)).not.toContain('canary-secret');
  });
});
