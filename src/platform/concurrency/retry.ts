import { setTimeout as sleep } from 'node:timers/promises';
import { isConflict, isOutage } from '../database/database-errors.ts';
import type { Logger } from '../logger.ts';

const FIRST_DELAY_MS = 25;
const LONGEST_DELAY_MS = 2_000;

/**
 * Does the work again while the database is away or transactions get in each other's way.
 *
 * Anything else that the work throws is thrown at once. The work must be safe to run twice: when a connection
 * breaks during COMMIT, nobody knows whether it was committed.
 *
 * @param budgetMs no new attempt begins later than this after the first
 * @throws the last error, once the budget is spent
 */
export async function withRetry<Result>(
  work: (attempt: number) => Promise<Result>,
  { budgetMs = 4_000, log }: { budgetMs?: number; log?: Pick<Logger, 'warn'> } = {},
): Promise<Result> {
  const deadline = performance.now() + budgetMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      // Full jitter: those who met once do not meet again.
      const delay = Math.random() * Math.min(FIRST_DELAY_MS * 2 ** attempt, LONGEST_DELAY_MS);
      if (!(isOutage(error) || isConflict(error)) || performance.now() + delay > deadline) throw error;
      log?.warn({ err: error, attempt }, 'The database did not do it; trying again');
      await sleep(delay);
    }
  }
}
