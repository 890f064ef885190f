import type { Transaction } from '../../platform/database.ts';
import { lockUsers } from '../user/lock-users.ts';

/**
 * Locks the users whose orders these are, the first of all locks. A merge may give an order to somebody else until
 * the order itself is locked: look at the owners again then.
 *
 * @returns the ids of the locked users
 */
export async function lockOrderOwners(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const orders = await tx.order.findMany({ where: { id: { in: [...orderIds] } }, select: { userId: true } });
  const owners = new Set(orders.map(({ userId }) => userId));
  await lockUsers(tx, [...owners]);
  return owners;
}
