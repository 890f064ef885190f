import type { Redis } from '../../src/platform/redis/redis.ts';

/** The keys of the service that match a pattern, without its prefix. */
export async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const prefix = redis.options.keyPrefix ?? '';
  return (await redis.keys(`${prefix}${pattern}`)).map((key) => key.slice(prefix.length));
}
