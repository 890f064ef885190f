import type { Transaction } from '../../../platform/database/database.ts';

/** The account and those merged into it, directly or not. All belong to one person. */
export async function accountsOfPerson(
  tx: Pick<Transaction, '$queryRaw'>,
  userId: string,
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    WITH RECURSIVE accounts AS (
      SELECT id FROM users WHERE id = ${userId}::uuid
      UNION
      SELECT u.id FROM users u JOIN accounts a ON u.merged_into_id = a.id
    )
    SELECT id::text FROM accounts ORDER BY id`;
  return rows.map(({ id }) => id);
}
