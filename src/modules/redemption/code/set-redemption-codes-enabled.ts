import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { recordAudit, recordAudits } from '../../kernel/record-audit.ts';
import { type CodeSelection, checkSelection } from './code-selection.ts';
import { countCodes } from './count-codes.ts';

interface EnabledChange {
  actorId: string | null;
  enabled: boolean;
}

/**
 * Enables or disables codes, audited. A code can be redeemed only while both it and its batch are
 * enabled. `batchId` changes the batch: only its row is written, and its codes keep their own
 * `enabled`. Accepted orders are still activated.
 *
 * @returns the number of codes that changed; for a batch, its codes that are not deleted, or 0 if
 *   it had the state already; unknown ids are ignored
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND for an unknown batch or a malformed id
 */
export async function setRedemptionCodesEnabled(
  services: Pick<Services, 'db' | 'pubSub'>,
  { ids, batchId, ...change }: Parameters<typeof checkSelection>[0] & EnabledChange,
): Promise<number> {
  const selection: CodeSelection = checkSelection({ ids: ids ?? null, batchId: batchId ?? null });
  if (selection.ids) return services.db.$transaction((tx) => changeCodes(tx, selection.ids, change));
  const changed = await services.db.$transaction((tx) => changeBatch(tx, selection.batchId, change));
  announce(services, { batchIds: [selection.batchId] });
  return changed;
}

async function changeBatch(
  tx: Transaction,
  id: string,
  { actorId, enabled }: EnabledChange,
): Promise<number> {
  const { count } = await tx.redemptionBatch.updateMany({
    where: { id, deletedAt: null, enabled: !enabled },
    data: { enabled },
  });
  if (count === 0) {
    const exists = await tx.redemptionBatch.count({ where: { id, deletedAt: null } });
    if (exists === 0) throw new PlatformError('NOT_FOUND', { field: 'batchId' });
    return 0;
  }
  await recordAudit(tx, { ...auditOf({ actorId, enabled }), targetId: id });
  return countCodes(tx, id);
}

async function changeCodes(
  tx: Transaction,
  ids: readonly string[],
  { actorId, enabled }: EnabledChange,
): Promise<number> {
  await lockCodes(tx, ids);
  const changed = await tx.$queryRaw<{ id: string }[]>`
    UPDATE redemption_codes c SET enabled = ${enabled}, version = c.version + 1 FROM redemption_batches b
    WHERE c.id = ANY(${[...ids]}::uuid[]) AND c.deleted_at IS NULL AND c.enabled <> ${enabled}
      AND b.id = c.batch_id AND b.deleted_at IS NULL
    RETURNING c.id`;
  await recordAudits(
    tx,
    changed.map(({ id }) => ({ ...auditOf({ actorId, enabled }), targetId: id })),
  );
  return changed.length;
}

const auditOf = ({ actorId, enabled }: EnabledChange) => ({
  action: 'setRedemptionCodesEnabled',
  actorId,
  before: { enabled: !enabled },
  after: { enabled },
});
