import type { Config } from './config.ts';
import { lostSessionSettings } from './platform/database/database.ts';
import type { Embedded, EmbeddedOptions } from './platform/embedded/embedded.ts';
import { checkSecretKey } from './platform/keys/check-secret-key.ts';
import type { Logger } from './platform/logger.ts';
import { isRedisUnavailable } from './platform/redis/redis.ts';
import { required } from './platform/required.ts';
import { createServices, type RunningServices, type ServiceSettings } from './platform/services.ts';

/**
 * A configured server cannot be used. The message names it and the reason, without its password.
 */
export class LaunchError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LaunchError';
  }
}

/**
 * Selects the embedded servers to start: those that the environment does not configure.
 *
 * @returns undefined if nothing in DATA_DIR is needed, so that it is not even created
 */
export function embeddedOptions(config: Config, log: (line: string) => void): EmbeddedOptions | undefined {
  const needPostgres = config.DATABASE_URL === undefined;
  const needRedis = config.REDIS_URL === undefined;
  if (!needPostgres && !needRedis && config.SECRET_KEY !== undefined) return undefined;
  return { dataDir: config.DATA_DIR, needPostgres, needRedis, log, redisServer: config.REDIS_SERVER_BIN };
}

/** Takes each setting from the environment, or from the embedded servers if it is not set there. */
export function serviceSettings(
  config: Config,
  embedded: Embedded | undefined,
  log: Logger,
): ServiceSettings {
  return {
    databaseUrl: required(config.DATABASE_URL ?? embedded?.databaseUrl, 'URL of PostgreSQL'),
    redisUrl: required(config.REDIS_URL ?? embedded?.redisUrl, 'URL of Redis'),
    secretKey: required(config.SECRET_KEY ?? embedded?.secretKey, 'secret key'),
    previousSecretKey: config.SECRET_KEY_PREVIOUS,
    rateLimits: config.RATE_LIMITS,
    log,
  };
}

/**
 * Connects to the servers and creates the services. The database must be migrated.
 *
 * @throws LaunchError if Redis or the connections to PostgreSQL cannot be used; SecretKeyError if
 *   SECRET_KEY doesn't match the database
 */
export async function connect(settings: ServiceSettings): Promise<RunningServices> {
  const services = await create(settings);
  try {
    await checkSessionSettings(services);
    await checkSecretKey(services);
    return services;
  } catch (error) {
    await services.close();
    throw error;
  }
}

/**
 * Without UTC, tokens would be refused; without time limits, one hung client would block others.
 */
async function checkSessionSettings({ db }: RunningServices): Promise<void> {
  const statements = await lostSessionSettings(db);
  if (statements.length === 0) return;
  throw new LaunchError(
    `DATABASE_URL: connections do not have the settings that they were opened with, probably because of a pooler. Set them for the role:\n${statements.join('\n')}`,
  );
}

async function create(settings: ServiceSettings): Promise<RunningServices> {
  try {
    return await createServices(settings);
  } catch (cause) {
    if (!isRedisUnavailable(cause)) throw cause;
    const { redisUrl } = settings;
    const where = redisUrl.startsWith('/') ? redisUrl : new URL(redisUrl).host;
    throw new LaunchError(`REDIS_URL: Redis at ${where} cannot be reached, or refuses the connection.`, {
      cause,
    });
  }
}
