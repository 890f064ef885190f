import type { Transaction } from '../../platform/database/database.ts';
import { lockLiveSubscriptions } from './live-subscriptions.ts';

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
