import type { Transaction } from '../../platform/database/database.ts';
import { BATCH_ROWS, runInBatches } from '../../platform/jobs/job-runs.ts';
import type { Services } from '../../platform/services.ts';
import { PLAN_USERS_CHANGED } from '../kernel/subscription.events.ts';
import { USER_CHANGED } from '../kernel/user.events.ts';
import { expireSubscriptionsJob } from './expire-subscriptions.job.ts';

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
  const announce = (rows: Expired[]) => {
    pubSub.publish(
      PLAN_USERS_CHANGED,
      rows.map(({ planId }) => planId),
    );
    pubSub.publish(
      USER_CHANGED,
      rows.map(({ userId }) => userId),
    );
  };
  return runInBatches({ db }, { name: expireSubscriptionsJob.name, batch: expireBatch, announce }, signal);
}

/** What others hold is left to the next batch: it never waits, so it is in nobody's way. */
function expireBatch(tx: Transaction): Promise<Expired[]> {
  return tx.$queryRaw<Expired[]>`
    WITH due AS MATERIALIZED (
      SELECT id FROM user_subscriptions
      WHERE status IN ('ACTIVE', 'EXHAUSTED') AND expires_at IS NOT NULL AND expires_at <= tessera_now()
      ORDER BY expires_at LIMIT ${BATCH_ROWS} FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE user_subscriptions s SET status = 'EXPIRED', version = s.version + 1
    FROM due WHERE s.id = due.id
    RETURNING s.user_id AS "userId", s.plan_id AS "planId"`;
}
