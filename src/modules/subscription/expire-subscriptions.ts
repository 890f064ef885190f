import type { Transaction } from '../../platform/database/database.ts';
import { runSweep, SWEEP_ROWS } from '../../platform/jobs/sweep.ts';
import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';
import { SKIP_LOCKED } from '../kernel/locks.ts';
import { expireSubscriptionsJob } from './expire-subscriptions.job.ts';
import { CLOCK_IS_BACK } from './revive-subscriptions.ts';
import { isOverdueSql } from './subscription-status.ts';

interface Expired {
  userId: string;
  planId: string;
}

/**
 * Sets the status of overdue subscriptions to EXPIRED. Once a transaction commits, agents stop
 * admitting these users, and watchers of these users are notified. Safe to run concurrently on any
 * number of workers.
 *
 * @param signal stops the sweep after the transaction in flight
 * @returns the number of expired subscriptions
 */
export function expireSubscriptions(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  signal?: AbortSignal,
): Promise<number> {
  const afterCommit = (rows: Expired[]) => {
    announce(
      { pubSub },
      { planIdsOfUsers: rows.map(({ planId }) => planId), userIds: rows.map(({ userId }) => userId) },
    );
  };
  return runSweep({ db }, { name: expireSubscriptionsJob.name, chunk: expireDue, afterCommit }, signal);
}

/**
 * Whether a subscription is overdue, or has expired in the future: two index lookups, so that
 * workers can ask every second.
 */
export async function isExpiryDue({ db }: Pick<Services, 'db'>): Promise<boolean> {
  const found: unknown[] = await db.$queryRaw`
    (SELECT FROM user_subscriptions WHERE ${isOverdueSql()} ORDER BY expires_at LIMIT 1)
    UNION ALL (${CLOCK_IS_BACK})`;
  return found.length > 0;
}

/** Skips rows that other transactions have locked; a later transaction picks them up. */
function expireDue(tx: Transaction): Promise<Expired[]> {
  return tx.$queryRaw<Expired[]>`
    WITH due AS MATERIALIZED (
      SELECT id FROM user_subscriptions
      WHERE ${isOverdueSql()}
      ORDER BY expires_at LIMIT ${SWEEP_ROWS} ${SKIP_LOCKED}
    )
    UPDATE user_subscriptions s SET status = 'EXPIRED', version = s.version + 1
    FROM due WHERE s.id = due.id
    RETURNING s.user_id AS "userId", s.plan_id AS "planId"`;
}
