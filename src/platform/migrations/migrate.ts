import type pg from 'pg';
import { applyMigration, inOwnSchema } from './apply-migration.ts';
import { connected, MigrationError } from './migration-connection.ts';
import {
  checksumsOf,
  forEmptyDatabase,
  type Migration,
  ownPrismaDir,
  readMigrations,
} from './migration-files.ts';
import {
  createHistory,
  type MigrationStatus,
  readHistory,
  recordApplied,
  recordRolledBack,
  statusOf,
} from './migration-history.ts';
import { lockMigrations } from './migration-lock.ts';

interface Options {
  /** Directory of schema.prisma and migrations/. Default: the one of this package. */
  prismaDir?: string;
  /** Prints a line for the operator. */
  say?: (line: string) => void;
  /** Called before this process waits for migrations or applies some. */
  onPending?: () => Promise<void>;
}

/**
 * Applies pending migrations. Safe to call from several processes concurrently, and to interrupt at
 * any moment. Costs one query if nothing is pending. Migrations that this release does not know are
 * left alone, so that the release before a failed or a newer one starts.
 *
 * @returns the names of the migrations that this call has applied
 * @throws MigrationError if the server is unreachable or too old, the history doesn't match, or a
 *   migration fails
 */
export async function migrate(
  databaseUrl: string,
  { prismaDir = ownPrismaDir(), say = () => {}, onPending }: Options = {},
): Promise<{ applied: string[] }> {
  const migrations = readMigrations(prismaDir);
  return connected(databaseUrl, async (client) => {
    const status = statusOf(await readHistory(client), migrations);
    // Another process may be applying an unfinished migration: it has failed only if it is
    // unfinished under the lock.
    if (status.failed.length === 0 && pendingOf(status).length === 0) return { applied: [] };
    await onPending?.();
    await endWithClient(client);
    await lockMigrations(client, say);
    // The previous holder of the lock may have applied them.
    const pending = pendingOf(statusOf(await readHistory(client), migrations));
    if (pending.length > 0) await createHistory(client);
    for (const name of pending) {
      const started = setTimeout(() => say(`Database: applying ${name} …`), 1_000);
      try {
        await applyMigration(client, migrationOf(migrations, name), say);
      } finally {
        clearTimeout(started);
      }
    }
    return { applied: pending };
  });
}

/**
 * Applies exactly these migrations in the transaction of the client, to an empty database.
 *
 * @throws MigrationError if this release does not have one of them
 */
export async function migrateTo(
  client: pg.Client,
  wanted: readonly { name: string; checksum: string }[],
): Promise<void> {
  const migrations = readMigrations(ownPrismaDir());
  await createHistory(client);
  for (const { name, checksum } of wanted) {
    const migration = migrations.find((one) => one.name === name);
    if (!migration || !checksumsOf(migration.sql).includes(checksum)) {
      throw new MigrationError(
        `This release does not have the migration ${name}. Use the release that made the backup, or a later one.`,
      );
    }
    await client.query(await inOwnSchema(client, forEmptyDatabase(migration.sql)));
    await recordApplied(client, migration);
  }
}

/**
 * Compares a database with the migrations of this release.
 *
 * @throws MigrationError if the server is unreachable or too old
 */
export async function migrationStatus(databaseUrl: string, options: Options = {}): Promise<MigrationStatus> {
  const migrations = readMigrations(options.prismaDir ?? ownPrismaDir());
  return connected(databaseUrl, async (client) => statusOf(await readHistory(client), migrations));
}

/**
 * Records what the operator has found about a failed migration: that the database has all of it, or
 * nothing of it.
 *
 * @throws MigrationError for a migration that this release does not know, or that has not failed
 */
export async function resolveMigration(
  databaseUrl: string,
  { name, outcome }: { name: string; outcome: 'APPLIED' | 'ROLLED_BACK' },
  { prismaDir = ownPrismaDir(), say = () => {} }: Options = {},
): Promise<void> {
  const migrations = readMigrations(prismaDir);
  const migration = migrationOf(migrations, name);
  await connected(databaseUrl, async (client) => {
    await lockMigrations(client, say);
    const { failed, pending } = statusOf(await readHistory(client), migrations);
    if (!failed.includes(name) && !(outcome === 'APPLIED' && pending.includes(name))) {
      throw new MigrationError(`The migration ${name} has not failed on this database: nothing to resolve.`);
    }
    await createHistory(client);
    if (outcome === 'APPLIED') await recordApplied(client, migration);
    else await recordRolledBack(client, name);
  });
}

function migrationOf(migrations: readonly Migration[], name: string): Migration {
  const migration = migrations.find((one) => one.name === name);
  if (!migration) throw new MigrationError(`There is no migration ${name} in this release.`);
  return migration;
}

/** Otherwise PostgreSQL completes the statement of a client that was killed, with the lock held. */
async function endWithClient(client: pg.Client): Promise<void> {
  // Not supported on every operating system.
  await client.query(`SET client_connection_check_interval = '1s'`).catch(() => {});
}

/** @throws MigrationError if one has failed, or was edited after it was applied */
function pendingOf({ failed: [failed], edited, pending }: MigrationStatus): string[] {
  if (failed !== undefined) {
    throw new MigrationError(
      `The migration ${failed} failed earlier on this database. See what it has left, and record it: ` +
        `npm run tessera -- migrate resolve --rolled-back ${failed} (nothing), or --applied ${failed} (everything).`,
    );
  }
  if (edited.length > 0) {
    throw new MigrationError(
      `Edited after this database applied them: ${edited.join(', ')}. Restore the original files, and put the change into a new migration.`,
    );
  }
  return pending;
}
