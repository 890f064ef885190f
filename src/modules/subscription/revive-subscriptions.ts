import { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { runSweep, SWEEP_ROWS } from '../../platform/jobs/sweep.ts';
import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';
import { SKIP_LOCKED } from '../kernel/locks.ts';
import { expireSubscriptionsJob } from './expire-subscriptions.job.ts';
import { isOpenSql } from './subscription-status.ts';

/** A query with a row if subscriptions were last expired in the future. */
export const CLOCK_IS_BACK = Prisma.sql`
  SELECT FROM job_runs
  WHERE name = ${expireSubscriptionsJob.name} AND last_run_at > tessera_now() + interval '1 minute'`;

interface Revived {
  userId: string;
  planId: string;
}

/**
 * Undoes what expired while PostgreSQL's clock was ahead: if the last expiry lies in the future,
 * subscriptions that are EXPIRED before their expiry become ACTIVE or EXHAUSTED again. One of a
 * user who has another open subscription of the plan stays as it is.
 *
 * @param signal stops after the transaction in flight
 * @returns number of subscriptions
 */
export async function reviveSubscriptions(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  signal?: AbortSignal,
): Promise<number> {
  const isBack: unknown[] = await db.$queryRaw`${CLOCK_IS_BACK}`;
  if (isBack.length === 0) return 0;
  const afterCommit = (rows: Revived[]) => {
    announce(
      { pubSub },
      { planIdsOfUsers: rows.map(({ planId }) => planId), userIds: rows.map(({ userId }) => userId) },
    );
  };
  const revived = await runSweep(
    { db },
    { name: 'revive-subscriptions', chunk: reviveNext, afterCommit },
    signal,
  );
  if (!signal?.aborted) {
    await db.$executeRaw`
      UPDATE job_runs SET last_run_at = tessera_now()
      WHERE name = ${expireSubscriptionsJob.name} AND last_run_at > tessera_now()`;
  }
  return revived;
}

/** Of several that expired for one user and plan, the last one is revived. */
function reviveNext(tx: Transaction): Promise<Revived[]> {
  return tx.$queryRaw<Revived[]>`
    WITH lost AS MATERIALIZED (
      SELECT id FROM user_subscriptions AS s
      WHERE status = 'EXPIRED' AND expires_at > tessera_now() AND expires_at <= (
        SELECT last_run_at + interval '1 minute' FROM job_runs WHERE name = ${expireSubscriptionsJob.name})
      AND NOT EXISTS (
        SELECT FROM user_subscriptions AS other
        WHERE other.user_id = s.user_id AND other.plan_id = s.plan_id AND other.id <> s.id
          AND (${isOpenSql('other')}
            OR other.status = 'EXPIRED' AND (other.expires_at, other.id) > (s.expires_at, s.id)))
      ORDER BY expires_at LIMIT ${SWEEP_ROWS} ${SKIP_LOCKED}
    )
    UPDATE user_subscriptions AS s
    SET status = CASE WHEN s.upload + s.download >= s.traffic_limit THEN 'EXHAUSTED' ELSE 'ACTIVE' END::"SubscriptionStatus",
      version = s.version + 1
    FROM lost WHERE s.id = lost.id
    RETURNING s.user_id AS "userId", s.plan_id AS "planId"`;
}
