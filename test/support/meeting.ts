import type { Database, Transaction } from '../../src/platform/database.ts';
import { until } from '../../src/platform/embedded/processes.ts';

/**
 * Runs `work` against a transaction that has done `change` and is open: it commits as soon as somebody waits for it. So
 * the two meet at every run, in the order that a missing lock does not survive.
 *
 * @throws Error when nobody has waited for it
 */
export async function meeting<Result>(
  db: Database,
  change: (tx: Transaction) => Promise<unknown>,
  work: () => Promise<Result>,
): Promise<PromiseSettledResult<Result>> {
  const begun = await db.$transaction(async (tx) => {
    await change(tx);
    const settled = Promise.allSettled([work()]);
    if (!(await until(() => somebodyWaits(db), 4_000))) throw new Error('nobody waited for the transaction');
    return { settled };
  });
  const [result] = await begun.settled;
  return result;
}

async function somebodyWaits(db: Database): Promise<boolean> {
  const waiting = await db.$queryRaw<unknown[]>`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waiting.length > 0;
}
