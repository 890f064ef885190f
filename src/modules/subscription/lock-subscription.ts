import { Prisma, type UserSubscription } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { lockSubscriptionsWhere, lockUsers } from '../kernel/locks.ts';
import { isOpenSql } from './subscription-status.ts';

/**
 * Locks the owner of a subscription, then whatever he has open of its plan and the subscription itself.
 *
 * @param ownedBy only one of this user's; absent: anybody's
 * @returns the subscription as it is under the locks
 * @throws PlatformError NOT_FOUND, the same for that of somebody else as for none
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
  // A merge has moved it meanwhile, and the wrong account is locked.
  if (subscription.userId !== before.userId) throw new PlatformError('SERVICE_UNAVAILABLE');
  return subscription;
}
