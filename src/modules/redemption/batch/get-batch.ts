import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Returns a batch. Prisma batches concurrent calls into one query.
 *
 * @throws PlatformError NOT_FOUND, also if the batch was deleted
 */
export async function getBatch({ db }: Pick<Services, 'db'>, id: string): Promise<RedemptionBatch> {
  const batch = await db.redemptionBatch.findUnique({ where: { id: checkId(id), deletedAt: null } });
  if (!batch) throw new PlatformError('NOT_FOUND');
  return batch;
}
