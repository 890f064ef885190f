import { inject } from 'vitest';

/**
 * Number of test files that run concurrently. Each worker has its own servers, because an open
 * transaction in one database delays the user lists of agents in all databases of the same
 * PostgreSQL.
 */
export const WORKERS = process.env.TEST_DATABASE_URL ? 1 : 2;

/** Migrated, empty template of the test databases. */
export const TEMPLATE_DATABASE = 'template_tessera';

/** PostgreSQL and Redis of one worker. */
export interface TestServers {
  /** Maintenance database, as superuser. */
  adminDatabaseUrl: string;
  /** Path of the Redis unix socket. */
  redisUrl: string;
}

/** The servers of the current worker. */
export function testServers(): TestServers {
  const servers = inject('servers')[Number(process.env.VITEST_POOL_ID) - 1];
  if (!servers) throw new Error(`worker ${process.env.VITEST_POOL_ID} has no servers`);
  return servers;
}
