import { Prisma, type UserSubscription } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { lockSubscriptionsWhere, lockUsers } from '../kernel/locks.ts';
import { isOpenSql } from './subscription-status.ts';

/**
 * Locks the owner of a subscription, then the subscription and the owner's open subscriptions of
 * the same plan.
 *
 * @param ownedBy limits the lookup to subscriptions of this user
 * @returns the subscription, read after locking
 * @throws PlatformError NOT_FOUND if it does not exist or belongs to another user;
 *   SERVICE_UNAVAILABLE if a merge moved it concurrently
 */
export async function lockSubscription(
  tx: Transaction,
  { id, ownedBy }: { id: string; ownedBy?: string },
): Promise<UserSubscription> {
  const where = { id, ...(ownedBy !== undefined && { userId: ownedBy }) };
  const before = await tx.userSubscription.findUnique({ where, select: { userId: true, planId: true } });
  if (!before) throw new PlatformError('NOT_FOUND');
  await lockUsers(tx, [before.userId]);
  const { userId, planId } = before;
  await lockSubscriptionsWhere(
    tx,
    Prisma.sql`user_id = ${userId}::uuid AND plan_id = ${planId}::uuid AND (id = ${id}::uuid OR ${isOpenSql()})`,
  );
  const subscription = await tx.userSubscription.findUnique({ where });
  if (!subscription) throw new PlatformError('NOT_FOUND');
  // A concurrent merge moved it, so the lock on the user is the wrong one.
  if (subscription.userId !== before.userId) throw new PlatformError('SERVICE_UNAVAILABLE');
  return subscription;
}
