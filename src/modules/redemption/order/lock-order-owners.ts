import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Locks the users whose orders these are, the first of all locks. A merge may give an order to somebody else until
 * the order itself is locked: look at the owners again then.
 *
 * @returns the ids of the locked users
 */
export async function lockOrderOwners(
  tx: Pick<Transaction, '$queryRaw'>,
  orderIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const owners = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]))
    ORDER BY id FOR NO KEY UPDATE`;
  return new Set(owners.map(({ id }) => id));
}
