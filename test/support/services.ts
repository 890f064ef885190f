import { randomUUID } from 'node:crypto';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices, type RunningServices, type ServiceSettings } from '../../src/platform/services.ts';
import { createTestDatabase } from './database.ts';
import { testServers } from './workers.ts';

/** The SECRET_KEY of all tests. */
export const TEST_SECRET_KEY = 'a secret of the tests, and of nothing else: 0123456789';

/** Creates services on a new database; `close` drops it. */
export async function createTestServices(settings: Partial<ServiceSettings> = {}): Promise<RunningServices> {
  const database = await createTestDatabase();
  const services = await createServices({
    databaseUrl: database.url,
    redisUrl: testServers().redisUrl,
    secretKey: TEST_SECRET_KEY,
    rateLimits: false,
    // With a shared queue, workers would take jobs for orders of other databases.
    jobPrefix: `{test-${randomUUID()}}`,
    log: createLogger(process.env.TEST_LOG_LEVEL ?? 'silent'),
    ...settings,
  });
  return {
    ...services,
    close: async () => {
      await services.close();
      await database.drop();
    },
  };
}
