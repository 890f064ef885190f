import type { Transaction } from '../../../platform/database/database.ts';

/** Ends the open stays of these devices at this moment: once a device is gone, nothing tells whose stay it was. */
export async function endStays(
  tx: Pick<Transaction, '$executeRaw'>,
  deviceIds: readonly string[],
): Promise<void> {
  // A stay may have begun after this transaction, whose time stands still.
  await tx.$executeRaw`
    UPDATE device_stays
    SET ended_at = greatest(started_at, tessera_now()), last_seen_at = greatest(started_at, tessera_now())
    WHERE device_id = ANY(${[...deviceIds]}::uuid[]) AND ended_at IS NULL`;
}
