import type { Transaction } from '../../platform/database/database.ts';

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
  await tx.$executeRaw`
    SELECT id FROM user_subscriptions
    WHERE user_id = ${userId}::uuid AND status IN ('ACTIVE', 'EXHAUSTED') ORDER BY id FOR NO KEY UPDATE`;
  return liveSubscriptionIds(tx, userId);
}

async function liveSubscriptionIds(tx: Pick<Transaction, '$queryRaw'>, userId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM user_subscriptions
    WHERE user_id = ${userId}::uuid AND status IN ('ACTIVE', 'EXHAUSTED')
      AND (expires_at IS NULL OR expires_at > tessera_now())
    ORDER BY id`;
  return rows.map(({ id }) => id);
}
