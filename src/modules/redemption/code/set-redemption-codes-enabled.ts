import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { recordAudit, recordAudits } from '../../kernel/record-audit.ts';
import { type CodeSelection, checkSelection } from './code-selection.ts';
import { countCodes } from './count-codes.ts';

interface Switching {
  actorId: string;
  enabled: boolean;
}

/**
 * Switches codes on or off, audited. A code redeems when it and its batch are switched on: by `batchId` the batch is
 * switched, in one row however many codes it has, and what each code says for itself stays. Orders that were accepted
 * are activated all the same.
 *
 * @returns how many codes changed; of a batch, all that are not deleted, or 0 when it was so already
 * @throws PlatformError BAD_USER_INPUT, NOT_FOUND for a batch; ids of no code are none that change
 */
export async function setRedemptionCodesEnabled(
  services: Pick<Services, 'db' | 'pubSub'>,
  { ids, batchId, ...switching }: Parameters<typeof checkSelection>[0] & Switching,
): Promise<number> {
  const selection: CodeSelection = checkSelection({ ids: ids ?? null, batchId: batchId ?? null });
  if (selection.ids) return services.db.$transaction((tx) => switchCodes(tx, selection.ids, switching));
  const changed = await services.db.$transaction((tx) => switchBatch(tx, selection.batchId, switching));
  announce(services, { batchIds: [selection.batchId] });
  return changed;
}

async function switchBatch(tx: Transaction, id: string, { actorId, enabled }: Switching): Promise<number> {
  const { count } = await tx.redemptionBatch.updateMany({
    where: { id, deletedAt: null, enabled: !enabled },
    data: { enabled },
  });
  if (count === 0) {
    const isThere = await tx.redemptionBatch.count({ where: { id, deletedAt: null } });
    if (isThere === 0) throw new PlatformError('NOT_FOUND', { field: 'batchId' });
    return 0;
  }
  await recordAudit(tx, { ...change({ actorId, enabled }), targetId: id });
  return countCodes(tx, id);
}

async function switchCodes(
  tx: Transaction,
  ids: readonly string[],
  { actorId, enabled }: Switching,
): Promise<number> {
  await lockCodes(tx, ids);
  const changed = await tx.$queryRaw<{ id: string }[]>`
    UPDATE redemption_codes c SET enabled = ${enabled}, version = c.version + 1 FROM redemption_batches b
    WHERE c.id = ANY(${[...ids]}::uuid[]) AND c.deleted_at IS NULL AND c.enabled <> ${enabled}
      AND b.id = c.batch_id AND b.deleted_at IS NULL
    RETURNING c.id`;
  await recordAudits(
    tx,
    changed.map(({ id }) => ({ ...change({ actorId, enabled }), targetId: id })),
  );
  return changed.length;
}

const change = ({ actorId, enabled }: Switching) => ({
  action: 'setRedemptionCodesEnabled',
  actorId,
  before: { enabled: !enabled },
  after: { enabled },
});
