import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { lookupsOf } from './code-vault.ts';

/**
 * Soft-deletes those of the codes that belong to a deleted batch, so that they can be imported
 * again. Deleting a batch writes only its own row, and lookups of its codes stay in the unique
 * index until here.
 *
 * @param codes in normal form
 */
export async function releaseDeletedCodes(
  services: Pick<Services, 'secrets'>,
  tx: Transaction,
  codes: readonly string[],
): Promise<void> {
  const found = await findCodes(
    tx,
    codes.flatMap((code) => lookupsOf(services, code)),
  );
  const ids = found.map(({ id }) => id);
  await lockCodes(tx, ids);
  await tx.$executeRaw`
    UPDATE redemption_codes c SET deleted_at = tessera_now() FROM redemption_batches b
    WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL AND b.id = c.batch_id AND b.deleted_at IS NOT NULL`;
}

/**
 * Finds the codes that exist in other batches, under any valid secret key.
 *
 * @param codes in normal form
 * @returns their zero-based places, ascending
 */
export async function placesOfTakenCodes(
  services: Pick<Services, 'secrets'>,
  tx: Pick<Transaction, '$queryRaw'>,
  { codes, exceptBatchId }: { codes: readonly string[]; exceptBatchId: string | null },
): Promise<number[]> {
  const lookups = codes.map((code) => lookupsOf(services, code));
  const found = await findCodes(tx, lookups.flat());
  const taken = new Set(found.filter(({ batchId }) => batchId !== exceptBatchId).map(({ lookup }) => lookup));
  return lookups.flatMap((ofCode, place) => (ofCode.some((lookup) => taken.has(lookup)) ? [place] : []));
}

interface FoundCode {
  id: string;
  batchId: string;
  /** In hex. */
  lookup: string;
}

/** Reads the codes with these lookups that are not deleted. */
function findCodes(tx: Pick<Transaction, '$queryRaw'>, lookups: readonly string[]): Promise<FoundCode[]> {
  return tx.$queryRaw<FoundCode[]>`
    SELECT c.id, c.batch_id AS "batchId", l.hex AS lookup FROM unnest(${[...lookups]}::text[]) AS l(hex)
    JOIN redemption_codes c ON c.lookup = decode(l.hex, 'hex') AND c.deleted_at IS NULL`;
}
