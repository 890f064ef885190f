import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { recordAudit, recordAudits } from '../../kernel/record-audit.ts';
import { type CodeSelection, checkSelection } from './code-selection.ts';
import { countCodes } from './count-codes.ts';

/**
 * Soft-deletes codes, audited. `batchId` deletes the batch with all of its codes; only the row of
 * the batch is written, however many codes it has. Redemption records are kept, accepted orders are
 * still activated, and the same codes can be imported again.
 *
 * @returns the number of deleted codes; unknown ids are ignored
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND for an unknown batch or a malformed id
 */
export async function deleteRedemptionCodes(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, ids, batchId }: Parameters<typeof checkSelection>[0] & { actorId: string },
): Promise<number> {
  const selection: CodeSelection = checkSelection({ ids: ids ?? null, batchId: batchId ?? null });
  if (selection.ids) return db.$transaction((tx) => deleteCodes(tx, { actorId, ids: selection.ids }));
  const deleted = await db.$transaction((tx) => deleteBatch(tx, { actorId, id: selection.batchId }));
  announce({ pubSub }, { batchIds: [selection.batchId] });
  return deleted;
}

async function deleteBatch(
  tx: Transaction,
  { actorId, id }: { actorId: string; id: string },
): Promise<number> {
  const deleted = await tx.$executeRaw`
    UPDATE redemption_batches SET deleted_at = tessera_now() WHERE id = ${id}::uuid AND deleted_at IS NULL`;
  if (deleted === 0) throw new PlatformError('NOT_FOUND', { field: 'batchId' });
  const codes = await countCodes(tx, id);
  await recordAudit(tx, { action: 'deleteRedemptionCodes', actorId, targetId: id, before: { codes } });
  return codes;
}

async function deleteCodes(
  tx: Transaction,
  { actorId, ids }: { actorId: string; ids: readonly string[] },
): Promise<number> {
  await lockCodes(tx, ids);
  const deleted = await tx.$queryRaw<{ id: string; batchId: string }[]>`
    UPDATE redemption_codes c SET deleted_at = tessera_now(), version = c.version + 1 FROM redemption_batches b
    WHERE c.id = ANY(${[...ids]}::uuid[]) AND c.deleted_at IS NULL AND b.id = c.batch_id AND b.deleted_at IS NULL
    RETURNING c.id, c.batch_id AS "batchId"`;
  await recordAudits(
    tx,
    deleted.map(({ id, batchId }) => ({
      ...{ action: 'deleteRedemptionCodes', actorId, targetId: id, before: { batchId } },
    })),
  );
  return deleted.length;
}
