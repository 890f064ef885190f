import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/platform/embedded/embedded.ts';
import { migrate } from '../../src/platform/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A database to give orders from; its user may do everything. */
    adminDatabaseUrl: string;
    /** The name of a migrated, empty database: what each test's own is copied from. */
    templateDatabase: string;
    /** The path of Redis' unix socket. */
    redisUrl: string;
  }
}

const TEMPLATE = 'template_tessera';

/** One private PostgreSQL and Redis for the whole run, in a directory that is gone afterwards. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  // As root PostgreSQL's own user must get through, or its files would lie elsewhere and stay.
  chmodSync(dataDir, 0o711);
  const servers = await startEmbedded({
    dataDir,
    needPostgres: true,
    needRedis: true,
    durable: false,
    redisServer: process.env.REDIS_SERVER_BIN,
    tools: resolve('.cache'),
    log: (line) => process.stdout.write(`${line}\n`),
  });
  const remove = async () => {
    await servers.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  // Vitest itself would end without tearing down.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void remove().finally(() => process.exit(1)));
  }
  try {
    const adminDatabaseUrl = servers.databaseUrl ?? '';
    await makeTemplate(adminDatabaseUrl);
    project.provide('adminDatabaseUrl', adminDatabaseUrl);
    project.provide('templateDatabase', TEMPLATE);
    project.provide('redisUrl', servers.redisUrl ?? '');
    return remove;
  } catch (error) {
    await remove();
    throw error;
  }
}

async function makeTemplate(adminDatabaseUrl: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminDatabaseUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE}`);
  await admin.end();
  const url = new URL(adminDatabaseUrl);
  url.pathname = `/${TEMPLATE}`;
  await migrate(url.href);
}
