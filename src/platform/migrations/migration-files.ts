import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { ownFolder } from '../own-package.ts';

/** A directory of prisma/migrations. */
export interface Migration {
  name: string;
  sql: string;
}

/** All migrations, in the order of application. */
export function readMigrations(prismaDir: string): Migration[] {
  const folder = join(prismaDir, 'migrations');
  return (
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      // Git leaves empty directories behind when it switches branches.
      .filter(({ name }) => readdirSync(join(folder, name)).length > 0)
      .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
      .sort((one, other) => (one.name < other.name ? -1 : 1))
  );
}

/** Converts migrations to the input format of the schema engine. */
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
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: forEmptyDatabase(sql) } },
    })),
  };
}

/** The migration as one statement, possible only while nothing is concurrent to it. */
export const forEmptyDatabase = (sql: string) => sql.replaceAll(/\bCONCURRENTLY\b/g, '');

/** The directory `prisma` of this package. */
export const ownPrismaDir = () => join(ownFolder(), 'prisma');

/**
 * The checksums under which the file may have been applied: git may have converted its line endings
 * since.
 */
export function checksumsOf(sql: string): string[] {
  const lf = sql.replaceAll('\r\n', '\n');
  return [lf, lf.replaceAll('\n', '\r\n')].map((text) => createHash('sha256').update(text).digest('hex'));
}
