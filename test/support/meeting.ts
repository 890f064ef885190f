import type { Database, Transaction } from '../../src/platform/database/database.ts';
import { until } from '../../src/platform/embedded/processes.ts';

/**
 * Runs `work` while another transaction that has made `change` is open. The transaction commits
 * once `waiting` statements wait for locks, which makes the race deterministic.
 *
 * @throws Error if they do not wait
 */
export async function meeting<Result>(
  db: Database,
  change: (tx: Transaction) => Promise<unknown>,
  work: () => Promise<Result>,
  waiting = 1,
): Promise<PromiseSettledResult<Result>> {
  const begun = await db.$transaction(async (tx) => {
    await change(tx);
    const settled = Promise.allSettled([work()]);
    if (!(await until(async () => (await countWaiting(db)) >= waiting, 4_000)))
      throw new Error(`fewer than ${waiting} statements wait for a lock`);
    return { settled };
  });
  const [result] = await begun.settled;
  return result;
}

/** The number of statements that wait for a lock. */
export async function countWaiting(db: Database): Promise<number> {
  const waiting = await db.$queryRaw<unknown[]>`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waiting.length;
}
