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
    /** One entry per worker. */
    servers: readonly TestServers[];
  }
}

/**
 * A PostgreSQL to test with instead of the private one: the maintenance database, for a role that
 * may create databases. See `npm run test:postgres`.
 */
const externalDatabase = process.env.TEST_DATABASE_URL;

/** Starts a PostgreSQL and a Redis for each worker, in temporary directories. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const starts = await Promise.allSettled(Array.from({ length: WORKERS }, startServers));
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const remove = async () => {
    await Promise.all(started.map((servers) => servers.remove()));
  };
  // Without this, Vitest exits on signals without the teardown.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void remove().finally(() => process.exit(1)));
  }
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    // Sequentially, because migrations share one WebAssembly instance.
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
  // PostgreSQL's user needs access, or else its files would be placed elsewhere and remain.
  chmodSync(dataDir, 0o711);
  const removeDir = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  // Vitest doesn't wait for the teardown when it is interrupted.
  process.once('exit', removeDir);
  try {
    const servers = await startEmbedded({
      dataDir,
      needPostgres: externalDatabase === undefined,
      needRedis: true,
      durable: false,
      redisServer: process.env.REDIS_SERVER_BIN,
      tools: resolve('.cache'),
      log: (line) => process.stdout.write(`${line}\n`),
    });
    return {
      adminDatabaseUrl: externalDatabase ?? servers.adminDatabaseUrl ?? '',
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
