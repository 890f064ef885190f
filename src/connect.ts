import type { Config } from './config.ts';
import { lostSessionSettings } from './platform/database/database.ts';
import { databaseProblem } from './platform/database/database-problem.ts';
import type { Embedded, EmbeddedOptions } from './platform/embedded/embedded.ts';
import { holdSecretKey, selectSecretKey } from './platform/keys/secret-key.ts';
import type { Logger } from './platform/logger.ts';
import { isRedisUnavailable } from './platform/redis/redis.ts';
import { required } from './platform/required.ts';
import { type OwnProcess, reportEnd, reportProcess } from './platform/service-processes.ts';
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
    redisPrefix: config.REDIS_PREFIX,
    rateLimits: config.RATE_LIMITS,
    log,
  };
}

/** The services, and how the other processes know this one. */
export interface ConnectedServices extends RunningServices {
  own: OwnProcess;
}

/**
 * Connects to the servers, creates the services, and registers the process. The database must be
 * migrated.
 *
 * @param role `all`, `api`, `worker` or `command`
 * @throws LaunchError if Redis or the connections to PostgreSQL cannot be used; SecretKeyError if
 *   SECRET_KEY doesn't match the database
 */
export async function connect(settings: ServiceSettings, role: string): Promise<ConnectedServices> {
  const services = await create(settings);
  const { db, secrets } = services;
  const own = { id: services.processId, role };
  try {
    await checkDatabase(services);
    await selectSecretKey(services);
    await db.$transaction(async (tx) => {
      // A rotation that starts now sees either this process or its own key.
      await holdSecretKey(tx, secrets);
      await reportProcess({ db: tx, secrets }, own);
    });
  } catch (error) {
    await services.close();
    throw error;
  }
  return {
    ...services,
    own,
    close: async () => {
      await reportEnd(services, own).catch(() => {});
      await services.close();
    },
  };
}

/**
 * Without UTC, tokens would be refused; without time limits, one hung client would block others.
 */
async function checkDatabase({ db }: RunningServices): Promise<void> {
  const problem = await databaseProblem({ db });
  if (problem === 'STANDBY')
    throw new LaunchError('DATABASE_URL: this PostgreSQL is a standby. Use the primary.');
  if (problem === 'READ_ONLY') {
    throw new LaunchError(
      'DATABASE_URL: this PostgreSQL refuses writes. Set default_transaction_read_only to off.',
    );
  }
  if (problem === 'SESSION_SETTINGS') {
    const statements = await lostSessionSettings(db);
    throw new LaunchError(
      `DATABASE_URL: connections do not have the settings that they were opened with, probably because of a pooler. Set them for the role:\n${statements.join('\n')}`,
    );
  }
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
