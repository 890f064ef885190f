import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { connected } from '../migrations/migration-connection.ts';
import { ownVersion } from '../own-package.ts';
import { type BackupHeader, encodeFrame, FORMAT, type Frame } from './backup-file.ts';

/** Called with the table that is being copied, about every second, and an amount: `12 MB`. */
export type OnProgress = (table: string, amount: string) => void;

/** Not part of a backup: the processes that run, and what the migrations write themselves. */
const EXCLUDED = ['_prisma_migrations', 'service_processes'];

/** Readable by its owner only: rows have personal data. */
const FILE_MODE = 0o600;

const PROGRESS_EVERY_MS = 1_000;

/**
 * Writes all rows of the database to a file, as of one moment, while the service runs. The file
 * appears when it is complete. It has no secret key: values that a key protects stay encrypted.
 *
 * @returns number of rows
 * @throws MigrationError if the server cannot be reached
 */
export async function backUp(databaseUrl: string, file: string, onProgress: OnProgress): Promise<number> {
  const partial = `${file}.partial`;
  try {
    const rows = await connected(databaseUrl, async (client) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await client.query("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'");
      const counts: Record<string, number> = {};
      await pipeline(
        Readable.from(encoded(framesOf(client, counts, onProgress)), { objectMode: false }),
        createGzip({ level: 1 }),
        createWriteStream(partial, { mode: FILE_MODE }),
      );
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    });
    renameSync(partial, file);
    return rows;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

async function* encoded(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const frame of frames) yield* encodeFrame(frame);
}

async function* framesOf(
  client: pg.Client,
  counts: Record<string, number>,
  onProgress: OnProgress,
): AsyncGenerator<Frame> {
  const tables = await readTables(client);
  // No migration may change them meanwhile.
  await client.query(`LOCK TABLE ${tables.map(({ table }) => quote(table)).join(', ')} IN ACCESS SHARE MODE`);
  yield { type: 'header', value: await readHeader(client) };
  for (const value of tables) {
    yield { type: 'table', value };
    const columns = value.columns.map(quote).join(', ');
    const rows = client.query(copyTo(`COPY ${quote(value.table)} (${columns}) TO STDOUT`));
    let saidAt = Date.now();
    let size = 0;
    for await (const bytes of rows) {
      yield { type: 'data', bytes: bytes as Buffer };
      size += (bytes as Buffer).length;
      if (Date.now() - saidAt < PROGRESS_EVERY_MS) continue;
      saidAt = Date.now();
      onProgress(value.table, `${Math.round(size / 1_000_000)} MB`);
    }
    counts[value.table] = rows.rowCount;
  }
  yield { type: 'end', value: { rows: counts } };
}

async function readTables(client: pg.Client): Promise<{ table: string; columns: string[] }[]> {
  const { rows } = await client.query<{ table: string; columns: string[] }>(
    `SELECT c.relname::text AS table, array_agg(a.attname::text ORDER BY a.attnum) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT c.relname = ANY($1)
     GROUP BY c.relname ORDER BY c.relname`,
    [EXCLUDED],
  );
  return rows;
}

async function readHeader(client: pg.Client): Promise<BackupHeader> {
  const { rows: migrations } = await client.query<{ name: string; checksum: string }>(
    `SELECT migration_name AS name, checksum FROM _prisma_migrations
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`,
  );
  const { rows } = await client.query<{ current: string | null; previous: string | null; now: Date }>(
    `SELECT encode(secret_fingerprint, 'hex') AS current, encode(previous_fingerprint, 'hex') AS previous,
       tessera_now() AS now FROM service_state`,
  );
  const [state] = rows;
  return {
    format: FORMAT,
    createdAt: (state?.now ?? new Date()).toISOString(),
    version: ownVersion(),
    migrations,
    secretFingerprint: state?.current ?? null,
    previousFingerprint: state?.previous ?? null,
  };
}

export const quote = (name: string) => pg.escapeIdentifier(name);
