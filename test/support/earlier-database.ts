import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/platform/migrations/migrate.ts';
import { createEmptyDatabase } from './database.ts';

/** A database of an earlier version. */
export interface EarlierDatabase {
  url: string;
  client: pg.Client;
  /** Applies the remaining migrations. */
  upgrade(): Promise<void>;
  drop(): Promise<void>;
}

/** Creates a database without rows that has the migrations before the named one. */
export async function createDatabaseBefore(migration: string): Promise<EarlierDatabase> {
  const { url, drop } = await createEmptyDatabase();
  const prismaDir = mkdtempSync(join(tmpdir(), 'tessera-prisma-'));
  cpSync('prisma/schema.prisma', join(prismaDir, 'schema.prisma'));
  mkdirSync(join(prismaDir, 'migrations'));
  for (const name of readdirSync('prisma/migrations')) {
    if (name < migration || name === 'migration_lock.toml')
      cpSync(join('prisma/migrations', name), join(prismaDir, 'migrations', name), { recursive: true });
  }
  await migrate(url, { prismaDir });
  rmSync(prismaDir, { recursive: true });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return {
    url,
    client,
    upgrade: async () => {
      await migrate(url);
    },
    drop: async () => {
      await client.end();
      await drop();
    },
  };
}
