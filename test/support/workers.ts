import { inject } from 'vitest';

/**
 * Number of test files that run concurrently. Each worker has servers of its own, because an open
 * transaction in one database delays user lists in all databases of the same PostgreSQL.
 */
export const WORKERS = 2;

/** The migrated, empty template of the tests' databases. */
export const TEMPLATE_DATABASE = 'template_tessera';

/** The PostgreSQL and Redis of a test worker. */
export interface TestServers {
  /** The maintenance database, as superuser. */
  adminDatabaseUrl: string;
  /** Path of the unix socket of Redis. */
  redisUrl: string;
}

/** The servers of the worker that runs the current test. */
export function testServers(): TestServers {
  const servers = inject('servers')[Number(process.env.VITEST_POOL_ID) - 1];
  if (!servers) throw new Error(`worker ${process.env.VITEST_POOL_ID} has no servers`);
  return servers;
}
