import type { Transaction } from '../../platform/database/database.ts';
import { runSweep, SWEEP_ROWS } from '../../platform/jobs/sweep.ts';
import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';
import { SKIP_LOCKED } from '../kernel/locks.ts';
import { expireSubscriptionsJob } from './expire-subscriptions.job.ts';
import { isOverdueSql } from './subscription-status.ts';

interface Expired {
  userId: string;
  planId: string;
}

/**
 * Writes down that the time of subscriptions is over: with the commit of its batch each leaves the list of every
 * server, and its user is told. Any number of workers may do it at any time.
 *
 * @param signal ends it after the batch that is under way
 * @returns how many have expired
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
  return runSweep({ db }, { name: expireSubscriptionsJob.name, chunk: expireBatch, afterCommit }, signal);
}

/** What others hold is left to the next batch: it never waits, so it is in nobody's way. */
function expireBatch(tx: Transaction): Promise<Expired[]> {
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
