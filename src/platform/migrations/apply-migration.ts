import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { codeOf, MigrationError } from './migration-connection.ts';
import type { Migration } from './migration-files.ts';
import { isTransactional, recordApplied, recordStarted, statementsOf } from './migration-history.ts';

/**
 * How long a migration waits for a lock. While it waits, everything that needs the table waits
 * behind it.
 */
const LOCK_TIMEOUT = '1s';
/** Pauses between attempts, in which what waited goes on. */
const PAUSES_MS = [1, 2, 4, 8, 15, 15, 15, 15, 15, 15].map((seconds) => seconds * 1_000);

const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';

/**
 * Applies one migration. In a transaction, its record is a part of it, so that history and schema
 * agree whatever happens. Tries again if it cannot have its locks within a second.
 *
 * @throws MigrationError if it fails, or cannot have its locks in about two minutes
 */
export async function applyMigration(
  client: pg.Client,
  migration: Migration,
  say: (line: string) => void,
): Promise<void> {
  const apply = isTransactional(migration) ? applyInTransaction : applyOutsideTransaction;
  for (const pauseMs of [...PAUSES_MS, null]) {
    try {
      await apply(client, migration);
      return;
    } catch (error) {
      const isBlocked = [LOCK_NOT_AVAILABLE, DEADLOCK].includes(codeOf(error));
      if (!isBlocked) throw failed(migration, error);
      if (pauseMs === null) throw blocked(migration, error);
      say(`Database: ${migration.name} waits for the end of other transactions …`);
      await sleep(pauseMs);
    }
  }
}

async function applyInTransaction(client: pg.Client, migration: Migration): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
  try {
    await client.query(await inOwnSchema(client, migration.sql));
    await recordApplied(client, migration);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/**
 * Functions name the schema `public` of their tables, because restores of `pg_dump` have no search
 * path. If the search path names another one, that is where they are.
 */
export async function inOwnSchema(client: pg.Client, sql: string): Promise<string> {
  if (!/\bpublic\./.test(sql)) return sql;
  const { rows } = await client.query<{ schema: string }>('SELECT quote_ident(current_schema()) AS schema');
  return sql.replaceAll(/\bpublic\./g, `${rows[0]?.schema ?? 'public'}.`);
}

/** For statements such as CREATE INDEX CONCURRENTLY. An interrupted one is repeated as a whole. */
async function applyOutsideTransaction(client: pg.Client, migration: Migration): Promise<void> {
  await recordStarted(client, migration);
  // They wait for other transactions without blocking anyone.
  await client.query('SET lock_timeout = 0');
  for (const statement of statementsOf(migration)) await client.query(statement);
  await recordApplied(client, migration);
}

function failed(migration: Migration, cause: unknown): MigrationError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const state = isTransactional(migration) ? ' and was rolled back' : '';
  return new MigrationError(
    `The migration ${migration.name} failed${state}: ${reason}\nFix the cause, and start again.`,
    { cause },
  );
}

const blocked = ({ name }: Migration, cause: unknown) =>
  new MigrationError(
    `The migration ${name} could not lock its tables for two minutes. A long transaction or a backup uses them: ` +
      "SELECT pid, application_name, query FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute'. Start again when it has ended.",
    { cause },
  );
