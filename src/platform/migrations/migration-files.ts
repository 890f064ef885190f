import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';

/** One folder of prisma/migrations. */
export interface Migration {
  name: string;
  sql: string;
}

/** All migrations, in the order in which they apply. */
export function readMigrations(prismaDir: string): Migration[] {
  const folder = join(prismaDir, 'migrations');
  return (
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      // Changing to another branch leaves empty folders behind.
      .filter(({ name }) => readdirSync(join(folder, name)).length > 0)
      .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
      .sort((one, other) => (one.name < other.name ? -1 : 1))
  );
}

/** The same, as the schema engine wants them. */
export function migrationList(prismaDir: string, migrations: readonly Migration[]): MigrationList {
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

/** The folder `prisma` of this package: this file runs from src and from dist/src. */
export function ownPrismaDir(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'prisma');
}

/**
 * The checksums that the database may know the file by: git may have turned the line ends since, and Prisma takes that
 * for the same file.
 */
export function checksumsOf(sql: string): string[] {
  const lf = sql.replaceAll('\r\n', '\n');
  return [lf, lf.replaceAll('\n', '\r\n')].map((text) => createHash('sha256').update(text).digest('hex'));
}
