import { Prisma, type ResetCycle, type SubscriptionStatus } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { runSweep, SWEEP_ROWS } from '../../../platform/jobs/sweep.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { nextReset } from '../../subscription/reset-cycle.ts';
import { isOpenSql } from '../../subscription/subscription-status.ts';
import { resetTrafficJob } from './reset-traffic.job.ts';

/** A subscription whose period has ended, as it was before the reset. */
interface DueSubscription {
  id: string;
  userId: string;
  planId: string;
  status: SubscriptionStatus;
  startsAt: Date;
  resetCycle: ResetCycle;
  now: Date;
}

/**
 * Starts new traffic periods: resets counters, removes bonus traffic from the limit, and turns
 * EXHAUSTED subscriptions ACTIVE, which puts them back on the lists of servers. A subscription that
 * missed several resets is reset once. Any number of workers can run this concurrently.
 *
 * @param signal stops after the transaction in flight
 * @returns number of subscriptions that were reset
 */
export function resetTraffic(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  signal?: AbortSignal,
): Promise<number> {
  const afterCommit = (rows: DueSubscription[]) => {
    announce(
      { pubSub },
      {
        planIdsOfUsers: rows.filter(({ status }) => status === 'EXHAUSTED').map(({ planId }) => planId),
        userIds: rows.map(({ userId }) => userId),
      },
    );
  };
  return runSweep({ db }, { name: resetTrafficJob.name, chunk: resetDue, afterCommit }, signal);
}

const IS_RESET_DUE = Prisma.sql`${isOpenSql()} AND next_reset_at IS NOT NULL AND next_reset_at <= tessera_now()`;

/** Whether a reset is due: one index lookup, so that workers can ask every second. */
export async function isResetDue({ db }: Pick<Services, 'db'>): Promise<boolean> {
  const found: unknown[] = await db.$queryRaw`
    SELECT FROM user_subscriptions WHERE ${IS_RESET_DUE} ORDER BY next_reset_at LIMIT 1`;
  return found.length > 0;
}

/** Rows that are locked elsewhere are left to the next transaction, so this never waits. */
async function resetDue(tx: Transaction): Promise<DueSubscription[]> {
  const due = await tx.$queryRaw<DueSubscription[]>`
    SELECT id, user_id AS "userId", plan_id AS "planId", status::text, starts_at AS "startsAt",
      reset_cycle::text AS "resetCycle", tessera_now() AS now
    FROM user_subscriptions
    WHERE ${IS_RESET_DUE}
    ORDER BY next_reset_at LIMIT ${SWEEP_ROWS} ${SKIP_LOCKED}`;
  if (due.length === 0) return due;
  const next = due.map(({ id, resetCycle, startsAt, now }) => ({
    id,
    nextResetAt: nextReset(resetCycle, startsAt, now),
  }));
  await tx.$executeRaw`
    UPDATE user_subscriptions s
    SET status = 'ACTIVE', upload = 0, download = 0, traffic_limit = s.traffic_limit - s.bonus_traffic,
      bonus_traffic = 0, trial_traffic = 0, next_reset_at = v."nextResetAt", version = s.version + 1
    FROM json_to_recordset(${toJson(next)}::json) AS v(id uuid, "nextResetAt" timestamptz)
    WHERE s.id = v.id`;
  return due;
}
