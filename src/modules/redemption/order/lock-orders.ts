import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Locks the rows of these orders, after those of their users and before subscriptions and codes.
 *
 * It decides nothing: decide on what the next statement reads.
 */
export async function lockOrders(
  tx: Pick<Transaction, '$executeRaw'>,
  orderIds: readonly string[],
): Promise<void> {
  await tx.$executeRaw`
    SELECT id FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;
}
