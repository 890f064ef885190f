import type { Order } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/** The part of an order by which its watchers and caches find it. */
export type AnnouncedOrder = Pick<Order, 'id' | 'orderNo' | 'userId' | 'planId'>;

/*
 * Exactly one of a user's counted orders, which are the PAID and FINISHED ones, is new: the first
 * one. It is decided when an order is accepted, and again when the counted orders of a user change
 * in another way. The callers have locked the users, so that neither of two changes misses the
 * other.
 */

/**
 * Passes `isNew` on from orders that no longer count: to the first order of their users that does.
 *
 * @param ended orders as they were while they counted
 * @returns the orders that are new from now on
 */
export async function passOnIsNew(
  tx: Pick<Transaction, '$queryRaw'>,
  ended: readonly Pick<Order, 'userId' | 'isNew'>[],
): Promise<AnnouncedOrder[]> {
  const userIds = ended.filter(({ isNew }) => isNew).map(({ userId }) => userId);
  if (userIds.length === 0) return [];
  return tx.$queryRaw<AnnouncedOrder[]>`
    UPDATE orders SET is_new = true
    WHERE id IN (
      SELECT DISTINCT ON (user_id) id FROM orders
      WHERE user_id = ANY(${userIds}::uuid[]) AND status IN ('PAID', 'FINISHED')
      ORDER BY user_id, is_new DESC, created_at, id)
      AND NOT is_new
    RETURNING id, order_no AS "orderNo", user_id AS "userId", plan_id AS "planId"`;
}

/** Leaves `isNew` to the first of a user's new orders, after a merge has added others. */
export async function keepFirstNew(tx: Pick<Transaction, '$executeRaw'>, userId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE orders SET is_new = false
    WHERE user_id = ${userId}::uuid AND is_new AND id <> (
      SELECT id FROM orders WHERE user_id = ${userId}::uuid AND is_new AND status IN ('PAID', 'FINISHED')
      ORDER BY created_at, id LIMIT 1)`;
}
