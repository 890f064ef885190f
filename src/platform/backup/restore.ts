import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { equalSecrets, type RotatingSecrets, shortFingerprint } from '../keys/secrets.ts';
import { migrate, migrateTo } from '../migrations/migrate.ts';
import { connected } from '../migrations/migration-connection.ts';
import { type OnProgress, quote } from './backup.ts';
import { BackupError, type BackupHeader, type Frame, readFrames, type TableFrame } from './backup-file.ts';

interface RestoreSettings {
  databaseUrl: string;
  file: string;
  secrets: Pick<RotatingSecrets, 'fingerprints'>;
  onProgress: OnProgress;
}

/**
 * Restores a backup into an empty database: applies the migrations that it was made with and
 * inserts its rows, in one transaction, and then applies the remaining migrations. The next start
 * of the service notices that this is another database, so agents read whole lists.
 *
 * @returns number of rows
 * @throws BackupError if the database is not empty, the secret key is another one, or the file is
 *   incomplete; the database stays empty
 * @throws MigrationError if the backup is of a newer release; the database stays empty
 */
export async function restore(settings: RestoreSettings): Promise<number> {
  const { databaseUrl, file } = settings;
  await checkBackup(settings);
  const rows = await connected(databaseUrl, async (client) => {
    await checkEmpty(client);
    await client.query(`BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL maintenance_work_mem = '256MB'`);
    const frames = readFrames(file);
    await migrateTo(client, (await readHeader(frames)).migrations);
    const inserted = await insertAll(client, frames, settings.onProgress);
    await client.query('COMMIT');
    await client.query('ANALYZE');
    return inserted;
  });
  await migrate(databaseUrl);
  return rows;
}

/** Reads all of the file before anything is changed. */
async function checkBackup({ file, secrets }: RestoreSettings): Promise<void> {
  const frames = readFrames(file);
  checkSecretKey(await readHeader(frames), secrets);
  for await (const _frame of frames);
}

async function readHeader(frames: AsyncGenerator<Frame>): Promise<BackupHeader> {
  const { value } = await frames.next();
  if (value?.type !== 'header') throw new BackupError('The file is not a backup of this service.');
  return value.value;
}

function checkSecretKey(
  { secretFingerprint, previousFingerprint }: BackupHeader,
  { fingerprints }: Pick<RotatingSecrets, 'fingerprints'>,
): void {
  const needed = [secretFingerprint, previousFingerprint]
    .filter((digits) => digits !== null)
    .map((digits) => Buffer.from(digits, 'hex'));
  const missing = needed.filter((one) => !fingerprints.some((other) => equalSecrets(one, other)));
  if (missing.length === 0) return;
  const shown = (all: readonly Buffer[]) => all.map(shortFingerprint).join(' and ');
  throw new BackupError(
    `SECRET_KEY: this backup needs the key with the fingerprint ${shown(missing)}, and the configured key has ` +
      `${shown(fingerprints)}. Set SECRET_KEY to it (or SECRET_KEY_PREVIOUS, during a rotation).`,
  );
}

async function checkEmpty(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname LIMIT 1`,
  );
  if (rows.length > 0) {
    throw new BackupError(
      `DATABASE_URL: the database is not empty (it has the table ${rows[0]?.name}). Restore into a new one: createdb.`,
    );
  }
}

async function insertAll(
  client: pg.Client,
  frames: AsyncGenerator<Frame>,
  onProgress: OnProgress,
): Promise<number> {
  const tables = await readTables(client);
  const names = tables.map(quote).join(', ');
  // They would change rows that are restored as they were.
  for (const table of tables) await client.query(`ALTER TABLE ${quote(table)} DISABLE TRIGGER USER`);
  // The migrations have inserted the rows of settings, which the backup has too.
  await client.query(`TRUNCATE ${names}`);
  const keys = await dropForeignKeys(client);
  const indexes = await dropIndexes(client);
  const total = await insertFrames(client, frames, onProgress);
  onProgress('indexes', `${indexes.length}`);
  for (const statement of indexes) await client.query(statement);
  onProgress('foreign keys', `${keys.length}`);
  for (const statement of keys) await client.query(statement);
  for (const table of tables) await client.query(`ALTER TABLE ${quote(table)} ENABLE TRIGGER USER`);
  return total;
}

async function readTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> '_prisma_migrations'`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Foreign keys are checked once for all rows, so that tables can be inserted in any order.
 *
 * @returns the statements that add them again
 */
async function dropForeignKeys(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ drop: string; add: string }>(
    `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS add
     FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY conname`,
  );
  for (const { drop } of rows) await client.query(drop);
  return rows.map(({ add }) => add);
}

/**
 * Building an index of all rows takes a fraction of the time of inserting each into it.
 *
 * @returns the statements that create them again
 */
async function dropIndexes(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; create: string }>(
    `SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS create
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = current_schema()::regnamespace
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
     ORDER BY 1`,
  );
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`);
  return rows.map(({ create }) => create);
}

async function insertFrames(
  client: pg.Client,
  frames: AsyncGenerator<Frame>,
  onProgress: OnProgress,
): Promise<number> {
  const counts = new Map<string, number>();
  let frame = await nextOf(frames);
  while (frame.type === 'table') {
    const { table } = frame.value;
    const data = new DataFrames(frames);
    counts.set(table, await insertTable(client, frame.value, data.read()));
    onProgress(table, `${counts.get(table)} rows`);
    frame = data.following ?? (await nextOf(frames));
  }
  if (frame.type !== 'end') throw new BackupError('The file is not a complete backup.');
  checkCounts(counts, frame.value.rows);
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

async function nextOf(frames: AsyncGenerator<Frame>): Promise<Frame> {
  const { value, done } = await frames.next();
  if (done) throw new BackupError('The file is not a complete backup.');
  return value;
}

/** The data frames of one table. */
class DataFrames {
  /** The frame after them, once they are read. */
  following: Frame | undefined;
  readonly #frames: AsyncGenerator<Frame>;

  constructor(frames: AsyncGenerator<Frame>) {
    this.#frames = frames;
  }

  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      const frame = await nextOf(this.#frames);
      if (frame.type === 'data') {
        yield frame.bytes;
        continue;
      }
      this.following = frame;
      return;
    }
  }
}

function checkCounts(inserted: ReadonlyMap<string, number>, expected: Record<string, number>): void {
  for (const [table, count] of Object.entries(expected)) {
    if (inserted.get(table) === count) continue;
    throw new BackupError(
      `The backup has ${count} rows of ${table}, but ${inserted.get(table) ?? 0} were inserted.`,
    );
  }
}

async function insertTable(
  client: pg.Client,
  { table, columns }: TableFrame,
  rows: AsyncIterable<Buffer>,
): Promise<number> {
  const copy = client.query(copyFrom(`COPY ${quote(table)} (${columns.map(quote).join(', ')}) FROM STDIN`));
  await pipeline(rows, copy);
  return copy.rowCount;
}
