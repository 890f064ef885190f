import type { Logger } from '../logger.ts';
import type { Redis } from './redis.ts';

/** Values that may be gone at any time. Nothing here throws: a cache that fails is a cache that has nothing. */
export interface Cache {
  /** The value, as JSON brought it back; undefined when it is not there or Redis does not say. */
  get(key: string): Promise<unknown>;
  /** Keeps the value as JSON, and tells whether it surely does. */
  set(key: string, value: unknown, ttlSeconds: number): Promise<boolean>;
  /** Forgets the values, and tells whether it surely has. */
  delete(...keys: string[]): Promise<boolean>;
}

/** A cache in Redis. */
export function createCache({ redis, log }: { redis: Redis; log: Pick<Logger, 'warn'> }): Cache {
  return {
    get: async (key) => {
      try {
        const json = await redis.get(key);
        return json === null ? undefined : JSON.parse(json);
      } catch (err) {
        log.warn({ err }, 'A cache did not answer');
        return undefined;
      }
    },
    set: (key, value, ttlSeconds) =>
      surely(log, () => redis.set(key, JSON.stringify(value), 'EX', ttlSeconds)),
    delete: (...keys) => surely(log, async () => keys.length === 0 || (await redis.del(...keys))),
  };
}

async function surely(log: Pick<Logger, 'warn'>, change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (err) {
    log.warn({ err }, 'A cache did not take a change');
    return false;
  }
}
