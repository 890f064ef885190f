import { inject } from 'vitest';

/**
 * So many files of tests run at once. Each of these workers has servers of its own: a transaction that stays open in
 * one database holds back what agents are told from every other database of the same PostgreSQL.
 */
export const WORKERS = 2;

/** Migrated and empty: what each test's own database is copied from. */
export const TEMPLATE_DATABASE = 'template_tessera';

/** The PostgreSQL and Redis of one worker. */
export interface TestServers {
  /** A database to give orders from; its user may do everything. */
  adminDatabaseUrl: string;
  /** The path of Redis' unix socket. */
  redisUrl: string;
}

/** The servers of the worker that runs this test. */
export function testServers(): TestServers {
  const servers = inject('servers')[Number(process.env.VITEST_POOL_ID) - 1];
  if (!servers) throw new Error(`worker ${process.env.VITEST_POOL_ID} has no servers`);
  return servers;
}
