import type { Transaction } from '../../../platform/database/database.ts';

/** How the uses of one code change: promised ones (reserved), and redeemed ones (used). */
export interface UseChange {
  codeId: string;
  reserved: number;
  used: number;
}

/** The changes of each code added up, so that its row is written once. */
export function sumUses(changes: readonly UseChange[]): UseChange[] {
  const sums = new Map<string, UseChange>();
  for (const { codeId, reserved, used } of changes) {
    const sum = sums.get(codeId) ?? { codeId, reserved: 0, used: 0 };
    sums.set(codeId, { codeId, reserved: sum.reserved + reserved, used: sum.used + used });
  }
  return [...sums.values()];
}

/**
 * Changes the counters, on the condition that no code is promised or redeemed more often than it may be. The caller
 * holds the locks on the codes, so the condition is the second fence, and the table's CHECK the third.
 *
 * @throws Error when a code has fewer uses than that
 */
export async function changeUses(
  tx: Pick<Transaction, '$executeRaw'>,
  changes: readonly UseChange[],
): Promise<void> {
  const sums = sumUses(changes);
  if (sums.length === 0) return;
  const changed = await tx.$executeRaw`
    UPDATE redemption_codes c
    SET reserved_count = c.reserved_count + v.reserved, used_count = c.used_count + v.used
    FROM json_to_recordset(${JSON.stringify(sums)}::json) AS v("codeId" uuid, reserved int, used int)
    WHERE c.id = v."codeId"
      AND (c.max_uses IS NULL OR c.used_count + c.reserved_count + v.used + v.reserved <= c.max_uses)`;
  if (changed !== sums.length) throw new Error('a code has fewer uses left than were decided on');
}
