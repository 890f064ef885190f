import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DiffTarget } from '@prisma/schema-engine-wasm/schema_engine_bg';
import type pg from 'pg';
import { codeOf, connected, MigrationError } from './migration-connection.ts';
import {
  checksumsOf,
  type Migration,
  migrationList,
  ownPrismaDir,
  readMigrations,
} from './migration-files.ts';
import { withSchemaEngine } from './schema-engine.ts';

interface Options {
  /** Directory of schema.prisma and migrations/. Default: the one of this package. */
  prismaDir?: string;
}

/**
 * Key of the advisory lock for migrations, which other processes wait for without a timeout. Any
 * number.
 */
const LOCK = 7_270_836;

/**
 * Applies pending migrations, like `prisma migrate deploy`. Safe to call from several processes
 * concurrently. Costs one query if nothing is pending.
 *
 * @returns the names of the migrations that this call has applied
 * @throws MigrationError if the server is unreachable or too old, or the history doesn't match
 */
export async function migrate(databaseUrl: string, options: Options = {}): Promise<{ applied: string[] }> {
  const prismaDir = options.prismaDir ?? ownPrismaDir();
  const migrations = readMigrations(prismaDir);
  return connected(databaseUrl, async (client) => {
    const history = await readHistory(client);
    // Another process may be applying an unfinished migration: it has failed only if it is
    // unfinished under the lock.
    const isSettled = history.every(({ finished }) => finished);
    if (isSettled && pendingOf(history, migrations).length === 0) return { applied: [] };
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    // The previous holder of the lock may have applied them.
    if (pendingOf(await readHistory(client), migrations).length === 0) return { applied: [] };
    return { applied: await apply(databaseUrl, prismaDir, migrations) };
  });
}

/**
 * The names of the migrations that are not applied yet, in order.
 *
 * @throws MigrationError if the server is unreachable or too old, or the history doesn't match
 */
export async function pendingMigrations(databaseUrl: string, options: Options = {}): Promise<string[]> {
  const migrations = readMigrations(options.prismaDir ?? ownPrismaDir());
  return connected(databaseUrl, async (client) => pendingOf(await readHistory(client), migrations));
}

/**
 * The SQL by which the migrations differ from schema.prisma; empty if they match. Compares in a
 * shadow database on the same server, for which the user needs CREATEDB. The database itself isn't
 * read.
 */
export async function drift(databaseUrl: string, options: Options = {}): Promise<string> {
  const prismaDir = options.prismaDir ?? ownPrismaDir();
  const schemaFile = join(prismaDir, 'schema.prisma');
  const from: DiffTarget = { tag: 'migrations', ...migrationList(prismaDir, readMigrations(prismaDir)) };
  const files = [{ path: basename(schemaFile), content: readFileSync(schemaFile, 'utf8') }];
  const to: DiffTarget = { tag: 'schemaDatamodel', files, configDir: prismaDir } as DiffTarget;
  const filters = { externalTables: [], externalEnums: [] };
  const { exitCode, stdout } = await withSchemaEngine({ databaseUrl, schemaFile }, (engine) =>
    engine.diff({ from, to, script: true, exitCode: true, filters }),
  );
  return exitCode === 0 ? '' : (stdout ?? '');
}

async function apply(
  databaseUrl: string,
  prismaDir: string,
  migrations: readonly Migration[],
): Promise<string[]> {
  try {
    const { appliedMigrationNames } = await withSchemaEngine(
      { databaseUrl, schemaFile: join(prismaDir, 'schema.prisma') },
      (engine) =>
        engine.applyMigrations({
          migrationsList: migrationList(prismaDir, migrations),
          filters: { externalTables: [], externalEnums: [] },
        }),
    );
    return appliedMigrationNames;
  } catch (cause) {
    throw new MigrationError(couldNotApply(cause instanceof Error ? cause.message : String(cause)), {
      cause,
    });
  }
}

/**
 * Reduces the message of the engine to the first lines and the migration's name, without its stack
 * trace.
 */
function couldNotApply(message: string): string {
  const name = /migration_name="([^"]+)"/.exec(message)?.[1];
  const reason = message.replace(/\n\s+\d+: [\s\S]*/, '').replace(/^external connector error\s*/, '');
  if (name === undefined) return `The migrations could not be applied: ${reason}`;
  return `The migration ${name} failed and was rolled back: ${reason}\n${afterFailure(name)}`;
}

function afterFailure(name: string): string {
  const sql = `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}'`;
  return `Fix the cause, mark the migration as rolled back, and start again: ${sql}`;
}

function pendingOf(history: readonly Applied[], migrations: readonly Migration[]): string[] {
  const failed = history.find((row) => !row.finished)?.name;
  if (failed)
    throw new MigrationError(
      `The migration ${failed} failed earlier on this database. ${afterFailure(failed)}`,
    );
  const checksums = new Map(history.map(({ name, checksum }) => [name, checksum]));
  const edited = migrations.filter(
    ({ name, sql }) => checksums.has(name) && !checksumsOf(sql).includes(`${checksums.get(name)}`),
  );
  if (edited.length > 0) {
    const names = edited.map(({ name }) => name).join(', ');
    throw new MigrationError(
      `Edited after this database applied them: ${names}. Restore the original files, and put the change into a new migration.`,
    );
  }
  return migrations.filter(({ name }) => !checksums.has(name)).map(({ name }) => name);
}

interface Applied {
  name: string;
  checksum: string;
  finished: boolean;
}

async function readHistory(client: pg.Client): Promise<Applied[]> {
  try {
    const { rows } = await client.query(
      `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
         FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
    );
    return rows;
  } catch (error) {
    if (codeOf(error) === '42P01') return [];
    throw error;
  }
}
