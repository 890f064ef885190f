import { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { lockSubscriptionsWhere } from '../kernel/locks.ts';
import { isLiveSql, isOpenSql } from './subscription-status.ts';

/** Whether the user has a subscription that can be used, or could be if its traffic were not used up. */
export async function hasLiveSubscription(
  tx: Pick<Transaction, '$queryRaw'>,
  userId: string,
): Promise<boolean> {
  return (await liveSubscriptionIds(tx, userId)).length > 0;
}

/**
 * Locks the open subscriptions of a user, after him and his orders and before codes.
 *
 * @returns the ids of those that are live, ascending
 */
export async function lockLiveSubscriptions(
  tx: Pick<Transaction, '$queryRaw' | '$executeRaw'>,
  userId: string,
): Promise<string[]> {
  await lockSubscriptionsWhere(tx, Prisma.sql`user_id = ${userId}::uuid AND ${isOpenSql()}`);
  return liveSubscriptionIds(tx, userId);
}

/**
 * Stops everything that a user has live: with the commit it leaves the list of every server. The caller holds the lock
 * on the user.
 *
 * @returns the ids of what was stopped
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
