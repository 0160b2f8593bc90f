// Loaded late, when a configuration names a database: `pg` is CommonJS, so it is taken by its default export.
import { createHash } from 'node:crypto';
import pg from 'pg';
import type { AuditQuery } from '../contracts/callers.js';
import type { Signals } from '../contracts.js';
import {
  type AuditedEntry,
  type AuditLine,
  boundOf,
  chained,
  type Head,
  type Journal,
  MOST_LINES,
  readLine,
  START,
  type Verification,
  Verifier,
} from './auditChain.js';
import type { PostgresSettings } from './auditSchema.js';

/** Milliseconds. A database that hangs is one that is down. */
const CONNECT_MS = 5_000;
const STATEMENT_MS = 10_000;
/** Further than the server's own limit, for a server that answers nothing at all. */
const ANSWER_MS = 15_000;

/** A journal in a table of Postgres, which several processes may write to: they take turns, and make one chain. */
export function createPostgresJournal(settings: PostgresSettings, signals: Signals): Journal {
  const pool = new pg.Pool({
    connectionString: settings.url.reveal(),
    max: 2,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
    application_name: 'mcp-drawbridge audit',
  });
  // A connection that breaks while nobody uses it; whoever needs one next finds out for itself.
  pool.on('error', () => signals.emit('audit.connection-lost'));
  return new PostgresJournal(pool, settings.table);
}

type Client = Pick<pg.PoolClient, 'query'>;

interface Batch {
  readonly lines: readonly (Head & { readonly text: string; readonly entry: AuditLine })[];
  readonly head: Head;
}

class PostgresJournal implements Journal {
  readonly #pool: pg.Pool;
  /** As an identifier of SQL. */
  readonly #quoted: string;
  readonly #lock: string;
  #exists = false;
  /** The end of a batch of which nobody knows whether it was committed, and how many lines that had. */
  #unsure: { readonly head: Head; readonly count: number } | undefined;

  constructor(pool: pg.Pool, table: string) {
    this.#pool = pool;
    this.#quoted = table.split('.').map(pg.escapeIdentifier).join('.');
    this.#lock = createHash('sha256').update(`drawbridge audit ${table}`).digest().readBigInt64BE().toString();
  }

  async write(entries: readonly AuditedEntry[]): Promise<number> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [this.#lock]);
      await this.#assertTable(client);
      const done = await this.#doneAlready(client);
      if (done === 0) await this.#insert(client, entries);
      await client.query('COMMIT');
      const count = done || entries.length;
      this.#unsure = undefined;
      this.#exists = true;
      client.release();
      return count;
    } catch (error) {
      // The connection is closed, which rolls back.
      client.release(true);
      throw error;
    }
  }

  /** Lines of the batch before, where its commit was carried out and only the answer was lost. */
  async #doneAlready(client: Client): Promise<number> {
    if (!this.#unsure) return 0;
    const { head, count } = this.#unsure;
    const found = await client.query(`SELECT 1 FROM ${this.#quoted} WHERE sequence = $1 AND hash = $2`, [
      head.sequence,
      head.hash,
    ]);
    return found.rowCount === 0 ? 0 : count;
  }

  async #insert(client: Client, entries: readonly AuditedEntry[]): Promise<void> {
    const { lines, head } = chainAll(entries, await this.#head(client));
    const column = <Value>(of: (line: Batch['lines'][number]) => Value) => lines.map(of);
    await client.query(
      `INSERT INTO ${this.#quoted} (sequence, at, subject, tenant, destination, action, hash, line)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])`,
      [
        column(({ sequence }) => sequence),
        column(({ entry }) => entry.at),
        column(({ entry }) => entry.subject ?? null),
        column(({ entry }) => entry.tenant ?? null),
        column(({ entry }) => entry.destination ?? null),
        column(({ entry }) => entry.action),
        column(({ hash }) => hash),
        column(({ text }) => text),
      ],
    );
    this.#unsure = { head, count: entries.length };
  }

  async #head(client: Client): Promise<Head> {
    const { rows } = await client.query<{ sequence: string; hash: string }>(
      `SELECT sequence, hash FROM ${this.#quoted} ORDER BY sequence DESC LIMIT 1`,
    );
    const last = rows[0];
    return last ? { sequence: Number(last.sequence), hash: last.hash } : START;
  }

  /** Looked for first: a role that may only insert and select may not even try to create. */
  async #assertTable(client: Client): Promise<void> {
    if (this.#exists) return;
    const { rows } = await client.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
      this.#quoted,
    ]);
    if (rows[0]?.found) return;
    await client.query(`CREATE TABLE ${this.#quoted} (
      sequence bigint PRIMARY KEY, at bigint NOT NULL, subject text, tenant text, destination text,
      action text NOT NULL, hash text NOT NULL, line text NOT NULL)`);
    for (const indexed of ['at', 'subject', 'tenant']) {
      await client.query(`CREATE INDEX ON ${this.#quoted} (${indexed}, sequence)`);
    }
  }

  async query(query: AuditQuery): Promise<readonly AuditLine[]> {
    const values: unknown[] = [];
    const conditions = [
      ['sequence >', query.after],
      ['at >=', query.from],
      ['at <=', query.to],
      ['subject =', query.subject],
      ['tenant =', query.tenant],
      ['destination =', query.destination],
      ['action =', query.action],
    ].flatMap(([condition, value]) => (value === undefined ? [] : [`${condition} $${values.push(value)}`]));
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = query.after === undefined ? 'DESC' : 'ASC';
    const sql = `SELECT line FROM ${this.#quoted} ${where} ORDER BY sequence ${order} LIMIT ${boundOf(query)}`;
    const rows = await this.#read<{ line: string }>(sql, values);
    const lines = rows.map(({ line }) => readLine(line)).filter((line) => line !== undefined);
    return order === 'DESC' ? lines.reverse() : lines;
  }

  /** The columns must say what the line says: queries go by them. */
  async verify(): Promise<Verification> {
    const verifier = new Verifier();
    for (let last = Number.MIN_SAFE_INTEGER; ; ) {
      const rows = await this.#read<Columns>(
        `SELECT * FROM ${this.#quoted} WHERE sequence > $1 ORDER BY sequence LIMIT ${MOST_LINES}`,
        [last],
      );
      for (const row of rows) {
        if (!verifier.take(agrees(row) ? row.line : '')) return verifier.result();
      }
      if (rows.length < MOST_LINES) return verifier.result();
      last = Number(rows[rows.length - 1]?.sequence);
    }
  }

  /** No table means that nothing was written yet. */
  async #read<Row extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]> {
    const { rows } = await this.#pool.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
      this.#quoted,
    ]);
    return rows[0]?.found ? (await this.#pool.query<Row>(sql, values)).rows : [];
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

interface Columns {
  readonly sequence: string;
  readonly at: string;
  readonly subject: string | null;
  readonly tenant: string | null;
  readonly destination: string | null;
  readonly action: string;
  readonly hash: string;
  readonly line: string;
}

function agrees(row: Columns): boolean {
  const line = readLine(row.line);
  return (
    line !== undefined &&
    String(line.sequence) === row.sequence &&
    String(line.at) === row.at &&
    (line.subject ?? null) === row.subject &&
    (line.tenant ?? null) === row.tenant &&
    (line.destination ?? null) === row.destination &&
    line.action === row.action &&
    line.hash === row.hash
  );
}

function chainAll(entries: readonly AuditedEntry[], start: Head): Batch {
  const lines: Batch['lines'][number][] = [];
  let head = start;
  for (const entry of entries) {
    const next = chained(entry, head);
    head = next.head;
    // The columns hold what the line holds, tidied as it is.
    lines.push({ ...head, text: next.text, entry: JSON.parse(next.text) as AuditLine });
  }
  return { lines, head };
}
