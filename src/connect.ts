import { isRedisUnavailable } from './platform/redis/redis.ts';
import { createServices, type RunningServices, type ServiceSettings } from './platform/services.ts';

/** A server that we were told to use is of no use; the message says which and why, without a password. */
export class LaunchError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LaunchError';
  }
}

/**
 * Connects everything that verbs need.
 *
 * @throws LaunchError when Redis is of no use
 */
export async function connect(settings: ServiceSettings): Promise<RunningServices> {
  try {
    return await createServices(settings);
  } catch (cause) {
    if (!isRedisUnavailable(cause)) throw cause;
    const { redisUrl } = settings;
    const where = redisUrl.startsWith('/') ? redisUrl : new URL(redisUrl).host;
    throw new LaunchError(`REDIS_URL: Redis at ${where} cannot be reached, or refuses us.`, { cause });
  }
}
