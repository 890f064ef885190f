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

/** `prismaDir`: the folder of schema.prisma and migrations/, that of this package when not given. */
interface Options {
  prismaDir?: string;
}

/** Any number of our own: whoever migrates holds it, so that one migrates and the others wait, as long as it takes. */
const LOCK = 7_270_836;

/**
 * The database has this release's schema: what `prisma migrate deploy` does. Safe to call at the same time from many
 * processes; the names of the migrations come back from the one that applied them. Costs one query when none is pending.
 *
 * @throws MigrationError when the server cannot be reached or is too old, or the history does not fit
 */
export async function migrate(databaseUrl: string, options: Options = {}): Promise<{ applied: string[] }> {
  const prismaDir = options.prismaDir ?? ownPrismaDir();
  const migrations = readMigrations(prismaDir);
  return connected(databaseUrl, async (client) => {
    const history = await readHistory(client);
    // One that is not finished may be what another process does at this moment: only under the lock has it failed.
    const isSettled = history.every(({ finished }) => finished);
    if (isSettled && pendingOf(history, migrations).length === 0) return { applied: [] };
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    // Whoever had the lock before may have applied them.
    if (pendingOf(await readHistory(client), migrations).length === 0) return { applied: [] };
    return { applied: await apply(databaseUrl, prismaDir, migrations) };
  });
}

/**
 * The names of the migrations that the database still lacks, in their order.
 *
 * @throws MigrationError when the server cannot be reached or is too old, or the history does not fit
 */
export async function pendingMigrations(databaseUrl: string, options: Options = {}): Promise<string[]> {
  const migrations = readMigrations(options.prismaDir ?? ownPrismaDir());
  return connected(databaseUrl, async (client) => pendingOf(await readHistory(client), migrations));
}

/**
 * The SQL that is missing in the migrations to arrive at schema.prisma; empty when the two agree. The database lends
 * its server for it, where the user must be allowed to create a database; it is not looked at itself.
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

/** The engine adds a trace of its own functions; the first lines and the migration's name are what people need. */
function couldNotApply(said: string): string {
  const name = /migration_name="([^"]+)"/.exec(said)?.[1];
  const reason = said.replace(/\n\s+\d+: [\s\S]*/, '').replace(/^external connector error\s*/, '');
  if (name === undefined) return `The migrations could not be applied: ${reason}`;
  return `The migration ${name} failed and was rolled back: ${reason}\n${afterFailure(name)}`;
}

function afterFailure(name: string): string {
  const sql = `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}'`;
  return `Find the cause, then say that it is rolled back and start again: ${sql}`;
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
      `Edited after this database applied them: ${names}. Restore the files as they were, and put the change into a new migration.`,
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
