import { randomUUID } from 'node:crypto';
import { createDatabase, type Database, isOutage } from './database/database.ts';
import { createDatabaseProbe, type DatabaseProbe } from './database/database-probe.ts';
import { readSchemaName } from './database/schema-name.ts';
import { createJobQueue, type JobQueue } from './jobs/jobs.ts';
import { createKeyRing, type KeyRing } from './keys/key-ring.ts';
import { createSecrets, type RotatingSecrets } from './keys/secrets.ts';
import type { Logger } from './logger.ts';
import { type Cache, createCache } from './redis/cache.ts';
import { createRateLimits, type RateLimits } from './redis/rate-limit.ts';
import { checkRedis, createRedis, type Redis } from './redis/redis.ts';
import { withoutRepeats } from './repeated-log.ts';
import { createPubSub, type PubSub } from './watch/pubsub.ts';
import { createWatcher, type Watcher } from './watch/watch.ts';

/** Dependencies of verbs. Each verb declares those it needs: `Pick<Services, 'db'>`. */
export interface Services {
  /** Identifies this process in `service_processes`. */
  processId: string;
  db: Database;
  databaseProbe: DatabaseProbe;
  redis: Redis;
  cache: Cache;
  rateLimits: RateLimits;
  jobs: JobQueue;
  pubSub: PubSub;
  watcher: Watcher;
  secrets: RotatingSecrets;
  signingKeys: KeyRing;
  log: Logger;
}

export interface ServiceSettings {
  databaseUrl: string;
  redisUrl: string;
  secretKey: string;
  previousSecretKey?: string | undefined;
  rateLimits: boolean;
  /** Prefix of all keys and channels in Redis; each deployment on a shared Redis needs its own. */
  redisPrefix?: string;
  log: Logger;
}

export interface RunningServices extends Services {
  /** Closes all connections, dependents first. */
  close: () => Promise<void>;
}

/** The braces keep the keys of the queues on one node of a Redis cluster. */
const jobPrefixOf = (redisPrefix: string) => `{${redisPrefix}tessera}`;

/**
 * Connects to PostgreSQL and Redis.
 *
 * @throws RedisPolicyError if Redis would evict keys; RedisUnavailableError if it can't be checked
 */
export async function createServices(settings: ServiceSettings): Promise<RunningServices> {
  const { log } = settings;
  const quietLog = withoutRepeats(log);
  const { databaseUrl } = settings;
  const schema = await readSchemaName({ url: databaseUrl, log: quietLog });
  const db = createDatabase({ url: databaseUrl, schema, log: quietLog });
  const databaseProbe = createDatabaseProbe({ url: databaseUrl });
  const { redisUrl, redisPrefix = '' } = settings;
  const redis = await createRedis({ url: redisUrl, prefix: redisPrefix, log: quietLog });
  await checkRedis(redis, quietLog);
  const secrets = createSecrets(settings);
  const jobs = await createJobQueue({ redisUrl, log: quietLog, prefix: jobPrefixOf(redisPrefix) });
  const pubSub = createPubSub({ url: redisUrl, channel: `${redisPrefix}tessera:wake`, log: quietLog });
  const watcher = createWatcher({ pubSub, log: quietLog, isTransient: isOutage });
  return {
    processId: randomUUID(),
    db,
    databaseProbe,
    redis,
    jobs,
    pubSub,
    watcher,
    log,
    cache: createCache({ redis, log: quietLog }),
    rateLimits: createRateLimits({ redis, enabled: settings.rateLimits }),
    secrets,
    signingKeys: createKeyRing({ db, secrets }),
    close: async () => {
      await jobs.close();
      watcher.close();
      await pubSub.close();
      redis.disconnect();
      await Promise.all([db.$disconnect(), databaseProbe.close()]);
    },
  };
}
