import type pg from 'pg';
import { codeOf } from './migration-connection.ts';
import { checksumsOf, type Migration } from './migration-files.ts';

/** A row of the table in which Prisma records migrations. */
export interface Applied {
  name: string;
  checksum: string;
  /** False if it is being applied, or failed. */
  isFinished: boolean;
}

/** Without the migrations that were rolled back. */
export async function readHistory(client: pg.Client): Promise<Applied[]> {
  try {
    const { rows } = await client.query<Applied>(
      `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS "isFinished"
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name`,
    );
    return rows;
  } catch (error) {
    if (codeOf(error) === '42P01') return [];
    throw error;
  }
}

/** How a database differs from the migrations of this release. */
export interface MigrationStatus {
  /** Not applied yet, in order. */
  pending: string[];
  /** Failed in an earlier release, which did not undo the record of it. */
  failed: string[];
  /** The files were edited after they were applied. */
  edited: string[];
  /** Of a newer release, or of another branch. They are left alone. */
  unknown: string[];
  applied: string[];
}

export function statusOf(history: readonly Applied[], migrations: readonly Migration[]): MigrationStatus {
  const rows = new Map(history.map((row) => [row.name, row]));
  const files = new Map(migrations.map((migration) => [migration.name, migration]));
  const known = migrations.flatMap((migration) => {
    const row = rows.get(migration.name);
    return row ? [{ ...row, migration }] : [];
  });
  const namesOf = (found: typeof known) => found.map(({ name }) => name);
  // A migration outside a transaction can be applied again from its beginning.
  const isResumable = (migration: Migration) => !isTransactional(migration);
  return {
    pending: migrations
      .filter((migration) => {
        const row = rows.get(migration.name);
        return !row || (!row.isFinished && isResumable(migration));
      })
      .map(({ name }) => name),
    failed: namesOf(known.filter(({ isFinished, migration }) => !isFinished && !isResumable(migration))),
    edited: namesOf(
      known.filter(({ checksum, migration }) => !checksumsOf(migration.sql).includes(checksum)),
    ),
    unknown: history.filter(({ name }) => !files.has(name)).map(({ name }) => name),
    applied: namesOf(known.filter(({ isFinished }) => isFinished)),
  };
}

/** The first line of a migration whose statements cannot run in a transaction. */
const OUTSIDE = '-- Outside a transaction.';

/**
 * Whether a migration runs in a transaction. Others consist of statements that can be repeated, one
 * per paragraph; test/contracts/migrations.test.ts checks this.
 */
export const isTransactional = ({ sql }: Pick<Migration, 'sql'>) => !sql.startsWith(OUTSIDE);

/** The statements of a migration outside a transaction. */
export const statementsOf = ({ sql }: Pick<Migration, 'sql'>) =>
  sql.split(/;\s*(?:\n\s*\n|$)/).filter((text) => text.trim() !== '');

/** Creates the table as Prisma does, so that its tools can read it. */
export async function createHistory(client: pg.Client): Promise<void> {
  await client.query(`
    CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id VARCHAR(36) PRIMARY KEY NOT NULL,
      checksum VARCHAR(64) NOT NULL,
      finished_at TIMESTAMPTZ,
      migration_name VARCHAR(255) NOT NULL,
      logs TEXT,
      rolled_back_at TIMESTAMPTZ,
      started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
      applied_steps_count INTEGER NOT NULL DEFAULT 0
    )`);
}

/** Records a migration as applied, in the transaction that applies it. */
export async function recordApplied(client: pg.Client, { name, sql }: Migration): Promise<void> {
  const { rowCount } = await client.query(
    `UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1, logs = NULL
     WHERE migration_name = $1 AND rolled_back_at IS NULL`,
    [name],
  );
  if (rowCount === 0) await insertRow(client, { name, sql }, true);
}

/** Records that a migration outside a transaction was begun. */
export async function recordStarted(client: pg.Client, migration: Migration): Promise<void> {
  const { rowCount } = await client.query(
    'SELECT FROM _prisma_migrations WHERE migration_name = $1 AND rolled_back_at IS NULL',
    [migration.name],
  );
  if (rowCount === 0) await insertRow(client, migration, false);
}

async function insertRow(client: pg.Client, { name, sql }: Migration, isFinished: boolean): Promise<void> {
  await client.query(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
     VALUES (gen_random_uuid(), $1, $2, CASE WHEN $3 THEN clock_timestamp() END, CASE WHEN $3 THEN 1 ELSE 0 END)`,
    [checksumsOf(sql)[0], name, isFinished],
  );
}

/** Records that a failed migration has left nothing in the database. */
export async function recordRolledBack(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [name],
  );
}
