import type { Logger } from '../logger.ts';
import type { Redis } from './redis.ts';

/**
 * Values that may be evicted at any time. Nothing here throws: while Redis is unavailable, every
 * read misses.
 */
export interface Cache {
  /** Returns the value as parsed JSON; undefined if it is missing or Redis is unavailable. */
  get(key: string): Promise<unknown>;
  /** Stores the value as JSON. @returns whether Redis has confirmed it */
  set(key: string, value: unknown, ttlSeconds: number): Promise<boolean>;
  /** Invalidates the values. @returns whether Redis has confirmed it */
  delete(...keys: string[]): Promise<boolean>;
}

export function createCache({ redis, log }: { redis: Redis; log: Pick<Logger, 'warn'> }): Cache {
  return {
    get: async (key) => {
      try {
        const json = await redis.get(key);
        return json === null ? undefined : JSON.parse(json);
      } catch (err) {
        log.warn({ err }, 'failed to read from the cache');
        return undefined;
      }
    },
    set: (key, value, ttlSeconds) =>
      isConfirmed(log, () => redis.set(key, JSON.stringify(value), 'EX', ttlSeconds)),
    delete: (...keys) => isConfirmed(log, async () => keys.length === 0 || (await redis.del(...keys))),
  };
}

async function isConfirmed(log: Pick<Logger, 'warn'>, change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (err) {
    log.warn({ err }, 'failed to write to the cache');
    return false;
  }
}
