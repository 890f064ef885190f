import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/** Amounts to add to the counters of a code. */
export interface UseChange {
  codeId: string;
  reserved: number;
  used: number;
}

/** Adds up the changes of each code, so that its row is written once. */
export function sumUses(changes: readonly UseChange[]): UseChange[] {
  const sums = new Map<string, UseChange>();
  for (const { codeId, reserved, used } of changes) {
    const sum = sums.get(codeId) ?? { codeId, reserved: 0, used: 0 };
    sums.set(codeId, { codeId, reserved: sum.reserved + reserved, used: sum.used + used });
  }
  return [...sums.values()];
}

/**
 * SQL of a statement that changes the counters, unless a code would exceed its `maxUses`. It
 * returns a row for each changed code. The caller has checked that under the locks on the codes;
 * the condition here and the CHECK of the table guard against bugs.
 *
 * The array says how many codes there are: PostgreSQL assumes a hundred in JSON, and would read a
 * table of some thousands as a whole.
 *
 * @param sums as `sumUses` returns them
 * @param condition a further one
 */
export const changingUses = (sums: readonly UseChange[], condition = Prisma.sql`true`) => Prisma.sql`
    UPDATE redemption_codes c
    SET reserved_count = c.reserved_count + v.reserved, used_count = c.used_count + v.used
    FROM json_to_recordset(${JSON.stringify(sums)}::json) AS v("codeId" uuid, reserved int, used int)
    WHERE c.id = ANY(${sums.map(({ codeId }) => codeId)}::uuid[]) AND c.id = v."codeId" AND ${condition}
      AND (c.max_uses IS NULL OR c.used_count + c.reserved_count + v.used + v.reserved <= c.max_uses)
    RETURNING c.id`;

/**
 * @param changed number of rows that `changingUses` returned
 * @throws Error if a code has too few uses left
 */
export function checkUsesChanged(changed: number | undefined, sums: readonly UseChange[]): void {
  if (changed !== sums.length) throw new Error('a code has fewer uses left than were decided on');
}

/**
 * Changes the counters of locked codes.
 *
 * @throws Error if a code has too few uses left
 */
export async function changeUses(
  tx: Pick<Transaction, '$executeRaw'>,
  changes: readonly UseChange[],
): Promise<void> {
  const sums = sumUses(changes);
  if (sums.length > 0) checkUsesChanged(await tx.$executeRaw(changingUses(sums)), sums);
}
