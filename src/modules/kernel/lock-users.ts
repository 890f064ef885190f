import type { Transaction } from '../../platform/database/database.ts';

/**
 * Locks the rows of these users until the transaction ends, the first of all locks it takes.
 *
 * It decides nothing: what it would read may be older than the wait. Decide on what the next statement reads.
 */
export async function lockUsers(
  tx: Pick<Transaction, '$executeRaw'>,
  userIds: readonly string[],
): Promise<void> {
  await tx.$executeRaw`
    SELECT id FROM users WHERE id = ANY(${[...userIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;
}
