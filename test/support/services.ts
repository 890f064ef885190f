import { randomUUID } from 'node:crypto';
import { createOwnAddresses, type OwnAddresses } from '../../src/modules/network/server/own-addresses.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices, type RunningServices, type ServiceSettings } from '../../src/platform/services.ts';
import { createTestDatabase } from './database.ts';
import { testServers } from './workers.ts';

/** Root secret of the tests. */
export const TEST_SECRET_KEY = 'a secret of the tests, and of nothing else: 0123456789';

/** The services, and what verbs need of the state that a process shares. */
export type TestServices = RunningServices & { ownAddresses: OwnAddresses };

/** The services on a database of its own; `close` drops it. */
export async function createTestServices(settings: Partial<ServiceSettings> = {}): Promise<TestServices> {
  const database = await createTestDatabase();
  const services = await createServices({
    databaseUrl: database.url,
    redisUrl: testServers().redisUrl,
    secretKey: TEST_SECRET_KEY,
    rateLimits: false,
    // Two workers on one queue would take each other's jobs, for orders of another database.
    redisPrefix: `test-${randomUUID()}:`,
    log: createLogger(process.env.TEST_LOG_LEVEL ?? 'silent'),
    ...settings,
  });
  return {
    ...services,
    ownAddresses: createOwnAddresses(services),
    close: async () => {
      await services.close();
      await database.drop();
    },
  };
}
