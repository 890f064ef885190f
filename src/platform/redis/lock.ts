import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { type Redis, RedisUnavailableError } from './redis.ts';

/** Deletes the key if it still holds our token: after its time has run out it may be somebody else's. */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

const RELEASE_PAUSE_MS = 500;

/** What `withLock` needs to know beside the work. */
export interface LockOptions {
  /** The lock ends by itself after this time, so that a dead owner blocks nobody for longer. */
  ttlMs?: number;
  /** What to throw when somebody else holds it. */
  onHeld: () => Error;
  log: Pick<Logger, 'warn'>;
}

/**
 * Does the work while nobody else does work under the same key.
 *
 * It spares others the trouble of trying, and no more: work that outlives `ttlMs` is no longer alone, and correctness
 * must not depend on it. Only its owner gives it back, also when the work throws.
 *
 * @throws what `onHeld` makes; RedisUnavailableError when nobody knows who holds it: then the work has not begun
 */
export async function withLock<Result>(
  redis: Redis,
  key: string,
  { ttlMs = 10_000, onHeld, log }: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const token = randomUUID();
  const release = () => redis.eval(RELEASE, 1, key, token);
  const answer = await redis.set(key, token, 'PX', ttlMs, 'NX').catch((error: unknown) => {
    // Without an answer it may have been set, or may yet be, and nobody would work under it.
    if (error instanceof RedisUnavailableError && error.mayHaveRun) void releaseLater(release, ttlMs);
    throw error;
  });
  if (answer !== 'OK') throw onHeld();
  try {
    return await work();
  } finally {
    // The work is what the caller came for; a lock that cannot be given back ends by itself.
    await release().catch((err: unknown) => log.warn({ err }, 'A lock was not given back'));
  }
}

/** Tries until Redis answers, or the lock has ended by itself. */
async function releaseLater(release: () => Promise<unknown>, ttlMs: number): Promise<void> {
  for (const deadline = performance.now() + ttlMs; performance.now() < deadline; ) {
    await sleep(RELEASE_PAUSE_MS, undefined, { ref: false });
    const answered = await release().then(
      () => true,
      () => false,
    );
    if (answered) return;
  }
}
