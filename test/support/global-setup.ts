import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/platform/embedded/embedded.ts';
import { migrate } from '../../src/platform/migrations/migrate.ts';
import { TEMPLATE_DATABASE, type TestServers, WORKERS } from './workers.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Those of each worker. */
    servers: readonly TestServers[];
  }
}

/** A private PostgreSQL and Redis for each worker, in directories that are gone after the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const starting = await Promise.allSettled(Array.from({ length: WORKERS }, startServers));
  const started = starting.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const remove = async () => {
    await Promise.all(started.map((servers) => servers.remove()));
  };
  // Vitest itself would end without tearing down.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void remove().finally(() => process.exit(1)));
  }
  try {
    for (const start of starting) if (start.status === 'rejected') throw start.reason;
    // One after the other: the migrations run in one WebAssembly machine.
    for (const { adminDatabaseUrl } of started) await makeTemplate(adminDatabaseUrl);
    project.provide(
      'servers',
      started.map(({ adminDatabaseUrl, redisUrl }) => ({ adminDatabaseUrl, redisUrl })),
    );
    return remove;
  } catch (error) {
    await remove();
    throw error;
  }
}

async function startServers(): Promise<TestServers & { remove(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  // As root PostgreSQL's own user must get through, or its files would lie elsewhere and stay.
  chmodSync(dataDir, 0o711);
  const removeDir = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  // Told to end, Vitest waits for nobody.
  process.once('exit', removeDir);
  try {
    const servers = await startEmbedded({
      dataDir,
      needPostgres: true,
      needRedis: true,
      durable: false,
      redisServer: process.env.REDIS_SERVER_BIN,
      tools: resolve('.cache'),
      log: (line) => process.stdout.write(`${line}\n`),
    });
    return {
      adminDatabaseUrl: servers.databaseUrl ?? '',
      redisUrl: servers.redisUrl ?? '',
      remove: () => servers.stop().finally(removeDir),
    };
  } catch (error) {
    removeDir();
    throw error;
  }
}

async function makeTemplate(adminDatabaseUrl: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminDatabaseUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await admin.end();
  const url = new URL(adminDatabaseUrl);
  url.pathname = `/${TEMPLATE_DATABASE}`;
  await migrate(url.href);
}
