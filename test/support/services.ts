import { randomUUID } from 'node:crypto';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices, type RunningServices, type ServiceSettings } from '../../src/platform/services.ts';
import { createTestDatabase } from './database.ts';
import { testServers } from './workers.ts';

/** What the tests derive all keys from. */
export const TEST_SECRET_KEY = 'a secret of the tests, and of nothing else: 0123456789';

/** The services on a database of its own; `close` gives it back. */
export async function createTestServices(settings: Partial<ServiceSettings> = {}): Promise<RunningServices> {
  const database = await createTestDatabase();
  const services = await createServices({
    databaseUrl: database.url,
    redisUrl: testServers().redisUrl,
    secretKey: TEST_SECRET_KEY,
    rateLimits: false,
    // Two workers on one queue would take each other's jobs, for orders of another database.
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
