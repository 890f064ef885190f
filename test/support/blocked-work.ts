import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import type { Database, Transaction } from '../../src/platform/database/database.ts';

/**
 * Makes a race deterministic: runs `work` while a transaction that has done `change` is open, and
 * commits it once `work` waits for its locks. Without the lock under test, `work` would read the
 * state before the change.
 *
 * @param waiting the number of transactions that must wait for a lock before the commit
 * @throws Error when fewer transactions are waiting after four seconds
 */
export async function runBlocked<Result>(
  db: Database,
  change: (tx: Transaction) => Promise<unknown>,
  work: () => Promise<Result>,
  waiting = 1,
): Promise<PromiseSettledResult<Result>> {
  const started = await db.$transaction(async (tx) => {
    await change(tx);
    const settled = Promise.allSettled([work()]);
    if (!(await pollUntil(async () => (await countWaiting(db)) >= waiting, 4_000)))
      throw new Error(`fewer than ${waiting} transactions wait for a lock`);
    return { settled };
  });
  const [result] = await started.settled;
  return result;
}

/** Number of transactions that wait for a lock. */
export async function countWaiting(db: Database): Promise<number> {
  const waiting = await db.$queryRaw<unknown[]>`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waiting.length;
}
