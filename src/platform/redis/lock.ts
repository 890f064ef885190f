import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { type Redis, RedisUnavailableError } from './redis.ts';

/**
 * Deletes the key only if it still holds our token: after its expiry another owner may have locked
 * it.
 */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

const RELEASE_RETRY_MS = 500;

export interface LockOptions {
  /** Expiry of the lock, so that a crashed owner can't block others for longer. Default 10,000. */
  ttlMs?: number;
  /** Makes the error to throw if the lock is held. */
  onHeld: () => Error;
  log: Pick<Logger, 'warn'>;
}

/**
 * Runs the work under an advisory lock. Only its owner releases it, even if the work throws.
 *
 * The lock saves work but doesn't guarantee mutual exclusion: work that outlives `ttlMs` no longer
 * holds it, so correctness must not depend on it.
 *
 * @throws the error of `onHeld`; RedisUnavailableError if the lock can't be acquired, before the
 *   work starts
 */
export async function withLock<Result>(
  redis: Redis,
  key: string,
  { ttlMs = 10_000, onHeld, log }: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const token = randomUUID();
  const release = () => redis.eval(RELEASE, 1, key, token);
  const reply = await redis.set(key, token, 'PX', ttlMs, 'NX').catch((error: unknown) => {
    // Without a reply the lock may have been set, or may be set later, without an owner.
    if (error instanceof RedisUnavailableError && error.mayHaveRun) void releaseLater(release, ttlMs);
    throw error;
  });
  if (reply !== 'OK') throw onHeld();
  try {
    return await work();
  } finally {
    // A failed release must not fail the work: the lock expires.
    await release().catch((err: unknown) => log.warn({ err }, 'failed to release a lock'));
  }
}

/** Retries until Redis replies or the lock has expired. */
async function releaseLater(release: () => Promise<unknown>, ttlMs: number): Promise<void> {
  for (const deadline = performance.now() + ttlMs; performance.now() < deadline; ) {
    await sleep(RELEASE_RETRY_MS, undefined, { ref: false });
    const isReleased = await release().then(
      () => true,
      () => false,
    );
    if (isReleased) return;
  }
}
