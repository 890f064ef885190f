import { createHash } from 'node:crypto';
import type { Logger } from '../logger.ts';
import { isRedisUnavailable, type Redis } from '../redis/redis.ts';

/** Longer than a message is accepted, whoever's clock is ahead. */
const KEPT_SECONDS = 300;

/**
 * Uses the id of a message up. While Redis is away nobody remembers, and a message may be repeated for as long as it is
 * accepted at all: what it does is safe to repeat.
 *
 * @returns whether this was the first time
 */
export async function spendMessageId(
  { redis, log }: { redis: Redis; log: Pick<Logger, 'warn'> },
  id: string,
): Promise<boolean> {
  const key = `sealed-message:${createHash('sha256').update(id).digest('base64url')}`;
  try {
    return (await redis.set(key, '1', 'EX', KEPT_SECONDS, 'NX')) === 'OK';
  } catch (err) {
    if (!isRedisUnavailable(err)) throw err;
    log.warn({ err }, 'repeated messages are not noticed while Redis is away');
    return true;
  }
}
