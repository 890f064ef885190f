import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { isConflict, isOutage } from './database-errors.ts';

const FIRST_DELAY_MS = 25;
const LONGEST_DELAY_MS = 2_000;

/**
 * Retries the work after outages and conflicts of the database, with exponential backoff and full
 * jitter. Other errors are thrown immediately. The work must be idempotent: if the connection
 * breaks during COMMIT, it may have been committed.
 *
 * @param budgetMs time from the first attempt after which no further one starts
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
      // Full jitter keeps conflicting transactions from colliding again.
      const delay = Math.random() * Math.min(FIRST_DELAY_MS * 2 ** attempt, LONGEST_DELAY_MS);
      if (!(isOutage(error) || isConflict(error)) || performance.now() + delay > deadline) throw error;
      log?.warn({ err: error, attempt }, 'database transaction failed; retrying');
      await sleep(delay);
    }
  }
}
