import { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { lockSubscriptionsWhere } from '../kernel/locks.ts';
import { isLiveSql, isOpenSql } from './subscription-status.ts';

/** A subscription is live while it is ACTIVE or EXHAUSTED and has not expired. */
export async function hasLiveSubscription(
  tx: Pick<Transaction, '$queryRaw'>,
  userId: string,
): Promise<boolean> {
  return (await liveSubscriptionIds(tx, userId)).length > 0;
}

/**
 * Locks the open subscriptions of a user. The caller holds the lock on the user.
 *
 * @returns the ids of the live ones, ascending
 */
export async function lockLiveSubscriptions(
  tx: Pick<Transaction, '$queryRaw' | '$executeRaw'>,
  userId: string,
): Promise<string[]> {
  await lockSubscriptionsWhere(tx, Prisma.sql`user_id = ${userId}::uuid AND ${isOpenSql()}`);
  return liveSubscriptionIds(tx, userId);
}

/**
 * Stops all live subscriptions of a user. Once the transaction commits, agents no longer admit the
 * user. The caller holds the lock on the user.
 *
 * @returns the ids of the stopped subscriptions
 */
export async function stopSubscriptions(tx: Transaction, userId: string): Promise<string[]> {
  const ids = await lockLiveSubscriptions(tx, userId);
  await tx.userSubscription.updateMany({
    where: { id: { in: ids } },
    data: { status: 'STOPPED', version: { increment: 1 } },
  });
  return ids;
}

async function liveSubscriptionIds(tx: Pick<Transaction, '$queryRaw'>, userId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM user_subscriptions
    WHERE user_id = ${userId}::uuid AND ${isLiveSql()}
    ORDER BY id`;
  return rows.map(({ id }) => id);
}
