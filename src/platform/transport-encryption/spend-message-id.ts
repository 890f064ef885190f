import { createHash } from 'node:crypto';
import type { Logger } from '../logger.ts';
import { isRedisUnavailable, type Redis } from '../redis/redis.ts';

/**
 * Longer than the 240 s during which a message is valid if clocks differ by the allowed maximum.
 */
const TTL_SECONDS = 300;

/**
 * Marks a message id as used, to prevent replays. While Redis is unavailable, messages can be
 * replayed until they are too old; docs/transport-encryption.md explains why that is harmless.
 *
 * @returns false if the id was used before
 */
export async function spendMessageId(
  { redis, log }: { redis: Redis; log: Pick<Logger, 'warn'> },
  id: string,
): Promise<boolean> {
  const key = `sealed-message:${createHash('sha256').update(id).digest('base64url')}`;
  try {
    return (await redis.set(key, '1', 'EX', TTL_SECONDS, 'NX')) === 'OK';
  } catch (err) {
    if (!isRedisUnavailable(err)) throw err;
    log.warn({ err }, 'replay protection disabled: Redis unavailable');
    return true;
  }
}
