import { uuidv7 } from 'uuidv7';
import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import type { SealedCode } from '../code/code-vault.ts';

/** How long a process may take for the next step of a fill before another one resumes the batch. */
export const STEP_MS = 10 * SECOND_MS;

export type BatchToFill = Pick<RedemptionBatch, 'id' | 'created' | 'maxUses' | 'expiresAt'>;

/**
 * Adds codes to a batch and raises its `created` accordingly. Codes that already exist are skipped.
 * The caller holds the lock on the batch, or created it in this transaction.
 *
 * @param batch as read in this transaction
 * @returns the number of added codes
 * @throws Error if codes were added to the batch after it was read
 */
export async function insertCodes(
  tx: Pick<Transaction, '$queryRaw'>,
  { id: batchId, created, maxUses, expiresAt }: BatchToFill,
  codes: readonly SealedCode[],
): Promise<number> {
  const rows = codes.map(({ lookup, ciphertext, hint }) => ({
    id: uuidv7(),
    lookup: lookup.toString('hex'),
    ciphertext: ciphertext.toString('hex'),
    hint,
  }));
  const [counted] = await tx.$queryRaw<{ added: number }[]>`
    WITH inserted AS (
      INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, expires_at)
      SELECT id, ${batchId}::uuid, decode(lookup, 'hex'), decode(ciphertext, 'hex'), hint, ${maxUses}::int,
        ${expiresAt}::timestamptz
      FROM json_to_recordset(${toJson(rows)}::json) AS c(id uuid, lookup text, ciphertext text, hint text)
      ON CONFLICT (lookup) WHERE deleted_at IS NULL DO NOTHING RETURNING id),
    counted AS (SELECT count(*)::int AS added FROM inserted)
    UPDATE redemption_batches
    SET created = created + added, next_fill_at = tessera_now() + ${STEP_MS}::int * interval '1 millisecond'
    FROM counted WHERE id = ${batchId}::uuid AND created = ${created}::int
    RETURNING added`;
  if (!counted) throw new Error('the batch changed after it was read');
  return counted.added;
}
