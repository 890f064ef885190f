import type { Transaction } from '../../../platform/database/database.ts';
import { required } from '../../../platform/required.ts';

export interface BatchTotalsRow {
  /** Codes that exist and are not deleted. */
  codes: number;
  /** Redeemed uses, including those of deleted codes. */
  used: number;
  /** Uses reserved by PAID orders. */
  reserved: number;
  /** Codes that were redeemed at least once. */
  redeemedCodes: number;
}

/**
 * Counts for many batches in one statement. It counts redemption records instead of codes, so its
 * cost grows with the number of redemptions, not with the size of the batch.
 *
 * @returns the totals by batch id
 */
export async function readBatchTotals(
  db: Pick<Transaction, '$queryRaw'>,
  ids: readonly string[],
): Promise<Map<string, BatchTotalsRow>> {
  const rows = await db.$queryRaw<(BatchTotalsRow & { id: string })[]>`
    SELECT b.id, b.created - d.deleted AS codes, r.used, coalesce(o.reserved, 0) AS reserved, r."redeemedCodes"
    FROM redemption_batches b
    CROSS JOIN LATERAL (
      SELECT count(*)::int AS deleted FROM redemption_codes WHERE batch_id = b.id AND deleted_at IS NOT NULL) d
    CROSS JOIN LATERAL (
      SELECT count(*)::int AS used, count(DISTINCT code_id)::int AS "redeemedCodes"
      FROM redemptions WHERE batch_id = b.id) r
    LEFT JOIN (
      SELECT batch_id, count(*)::int AS reserved FROM orders
      WHERE status = 'PAID' AND batch_id = ANY(${[...ids]}::uuid[]) GROUP BY batch_id) o ON o.batch_id = b.id
    WHERE b.id = ANY(${[...ids]}::uuid[])`;
  return new Map(rows.map(({ id, ...totals }) => [id, totals]));
}

/** Counts the codes of a batch that are not deleted. */
export async function countCodes(tx: Pick<Transaction, '$queryRaw'>, batchId: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ codes: number }[]>`
    SELECT created - (
      SELECT count(*)::int FROM redemption_codes WHERE batch_id = b.id AND deleted_at IS NOT NULL) AS codes
    FROM redemption_batches b WHERE id = ${batchId}::uuid`;
  return required(row, 'batch').codes;
}
