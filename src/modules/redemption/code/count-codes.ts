import type { Transaction } from '../../../platform/database/database.ts';

/** What has become of the codes of a batch. */
export interface BatchTotals {
  /** Codes that are there, and not deleted. */
  codes: number;
  /** Uses that were redeemed, of deleted codes too. */
  used: number;
  /** Uses promised to orders on their way. */
  reserved: number;
  /** Codes that were redeemed at least once. */
  redeemedCodes: number;
}

/**
 * Counts for many batches in one statement. It looks at the records, not at the codes: what it costs grows with what
 * was redeemed of a batch, not with its size.
 *
 * @returns for each id, in its place, the totals
 */
export async function readBatchTotals(
  db: Pick<Transaction, '$queryRaw'>,
  ids: readonly string[],
): Promise<PromiseSettledResult<BatchTotals>[]> {
  const rows = await db.$queryRaw<(BatchTotals & { id: string })[]>`
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
  const byId = new Map(rows.map(({ id, ...totals }) => [id, totals]));
  return ids.map((id) => {
    const value = byId.get(id);
    if (!value) return { status: 'rejected', reason: new Error('a batch is missing that was just read') };
    return { status: 'fulfilled', value };
  });
}

/** How many codes of a batch are not deleted. */
export async function countCodes(tx: Pick<Transaction, '$queryRaw'>, batchId: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ codes: number }[]>`
    SELECT created - (
      SELECT count(*)::int FROM redemption_codes WHERE batch_id = b.id AND deleted_at IS NOT NULL) AS codes
    FROM redemption_batches b WHERE id = ${batchId}::uuid`;
  return row?.codes ?? 0;
}
