import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import type { Database, Transaction } from '../../src/platform/database/database.ts';

/**
 * Runs `work` against a transaction that has done `change` and is open: it commits as soon as somebody waits for it, or
 * so many wait for each other and for it. So they meet at every run, in the order that a missing lock does not survive.
 *
 * @throws Error when they have not come to wait for it
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
    if (!(await pollUntil(async () => (await countWaiting(db)) >= waiting, 4_000)))
      throw new Error(`there are not ${waiting} who wait for the transaction`);
    return { settled };
  });
  const [result] = await begun.settled;
  return result;
}

/** How many wait for a lock that another transaction holds. */
export async function countWaiting(db: Database): Promise<number> {
  const waiting = await db.$queryRaw<unknown[]>`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waiting.length;
}
