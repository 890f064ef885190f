import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { lookupsOf } from './code-vault.ts';

/**
 * Makes way for codes that are to be imported: codes of deleted batches, which nobody can redeem any more, give up their
 * place. That deleting a batch is one row is paid for here, and only for the codes that come again.
 *
 * @param codes in normal form
 * @returns false when one of them is there, whichever of the valid keys it is sealed under
 */
export async function makeWay(
  services: Pick<Services, 'secrets'>,
  tx: Transaction,
  codes: readonly string[],
): Promise<boolean> {
  const lookups = codes.flatMap((code) => lookupsOf(services, code));
  const gone = await findCodes(tx, lookups);
  await lockCodes(tx, gone);
  await tx.$executeRaw`
    UPDATE redemption_codes c SET deleted_at = tessera_now() FROM redemption_batches b
    WHERE c.id = ANY(${gone}::uuid[]) AND c.deleted_at IS NULL AND b.id = c.batch_id AND b.deleted_at IS NOT NULL`;
  return (await findCodes(tx, lookups)).length === 0;
}

/** The codes that hold these places. */
async function findCodes(tx: Pick<Transaction, '$queryRaw'>, lookups: readonly string[]): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT c.id FROM unnest(${[...lookups]}::text[]) AS l(hex)
    JOIN redemption_codes c ON c.lookup = decode(l.hex, 'hex') AND c.deleted_at IS NULL`;
  return rows.map(({ id }) => id);
}
