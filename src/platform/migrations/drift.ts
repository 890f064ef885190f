import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DiffTarget } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { migrationList, ownPrismaDir, readMigrations } from './migration-files.ts';
import { withSchemaEngine } from './schema-engine.ts';

/**
 * The SQL by which the migrations differ from schema.prisma; empty if they match. Compares in a
 * shadow database on the same server, for which the user needs CREATEDB. The database itself isn't
 * read.
 *
 * @param prismaDir directory of schema.prisma and migrations/
 */
export async function drift(databaseUrl: string, prismaDir = ownPrismaDir()): Promise<string> {
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
