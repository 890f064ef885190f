import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DiffTarget, MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { withSchemaEngine } from './schema-engine.ts';

/** The database cannot be brought to this release's schema; the message says why and what to do, without a password. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

/** `prismaDir`: the folder of schema.prisma and migrations/, that of this package when not given. */
interface Options {
  prismaDir?: string;
}

interface Migration {
  name: string;
  sql: string;
}

const OLDEST_SERVER = 14;
/** Any number of our own: whoever migrates holds it, so that one migrates and the others wait, as long as it takes. */
const LOCK = 7_270_836;
const CONNECT_LIMIT_MS = 5000;

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
    if ((await pendingOf(client, migrations)).length === 0) return { applied: [] };
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    // Whoever had the lock before may have applied them.
    if ((await pendingOf(client, migrations)).length === 0) return { applied: [] };
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
  return connected(databaseUrl, (client) => pendingOf(client, migrations));
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
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError(`A migration failed and was rolled back:\n${said}\n${AFTER_FAILURE}`, { cause });
  }
}

const AFTER_FAILURE =
  'Find the cause, then mark it as rolled back (prisma migrate resolve --rolled-back <name>) and start again.';

async function pendingOf(client: pg.Client, migrations: readonly Migration[]): Promise<string[]> {
  const history = await readHistory(client);
  const failed = history.filter((row) => !row.finished).map(({ name }) => name);
  if (failed.length > 0)
    throw new MigrationError(`Failed earlier on this database: ${failed.join(', ')}. ${AFTER_FAILURE}`);
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

async function readHistory(
  client: pg.Client,
): Promise<{ name: string; checksum: string; finished: boolean }[]> {
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

/** Git may have turned the line ends; Prisma takes that for the same file. */
function checksumsOf(sql: string): string[] {
  const lf = sql.replaceAll('\r\n', '\n');
  return [lf, lf.replaceAll('\n', '\r\n')].map((text) => createHash('sha256').update(text).digest('hex'));
}

async function connected<Result>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_LIMIT_MS });
  client.on('error', () => {});
  try {
    await client.connect().catch((cause) => {
      throw new MigrationError(cannotConnect(databaseUrl, cause), { cause });
    });
    await refuseOldServer(client);
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  );
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major < OLDEST_SERVER) {
    throw new MigrationError(
      `The server of DATABASE_URL is PostgreSQL ${major}; ${OLDEST_SERVER} or later is needed.`,
    );
  }
}

function cannotConnect(databaseUrl: string, error: unknown): string {
  const { host, pathname, username } = new URL(databaseUrl);
  const where = `DATABASE_URL: PostgreSQL at ${host}`;
  if (codeOf(error) === '3D000') return `${where} has no database ${pathname.slice(1)}. Create it first.`;
  if (/^28/.test(codeOf(error)))
    return `${where} refuses the user ${decodeURIComponent(username)}, or its password.`;
  return `${where} cannot be reached: ${codeOf(error) || (error instanceof Error ? error.message : String(error))}.`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function readMigrations(prismaDir: string): Migration[] {
  const folder = join(prismaDir, 'migrations');
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

function migrationList(prismaDir: string, migrations: readonly Migration[]): MigrationList {
  const baseDir = join(prismaDir, 'migrations');
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: readFileSync(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

/** This file runs from src and from dist/src. */
function ownPrismaDir(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'prisma');
}
