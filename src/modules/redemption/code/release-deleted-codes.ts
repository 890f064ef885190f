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
 * @returns false if one of the codes still exists, under any valid secret key
 */
export async function releaseDeletedCodes(
  services: Pick<Services, 'secrets'>,
  tx: Transaction,
  codes: readonly string[],
): Promise<boolean> {
  const lookups = codes.flatMap((code) => lookupsOf(services, code));
  const ids = await findCodes(tx, lookups);
  await lockCodes(tx, ids);
  await tx.$executeRaw`
    UPDATE redemption_codes c SET deleted_at = tessera_now() FROM redemption_batches b
    WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL AND b.id = c.batch_id AND b.deleted_at IS NOT NULL`;
  return (await findCodes(tx, lookups)).length === 0;
}

/** @returns the ids of the codes with these lookups that are not deleted */
async function findCodes(tx: Pick<Transaction, '$queryRaw'>, lookups: readonly string[]): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT c.id FROM unnest(${[...lookups]}::text[]) AS l(hex)
    JOIN redemption_codes c ON c.lookup = decode(l.hex, 'hex') AND c.deleted_at IS NULL`;
  return rows.map(({ id }) => id);
}
