import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * A batch that is not deleted. Asked for several at once it is one query.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function getBatch({ db }: Pick<Services, 'db'>, id: string): Promise<RedemptionBatch> {
  const batch = await db.redemptionBatch.findUnique({ where: { id: checkId(id), deletedAt: null } });
  if (!batch) throw new PlatformError('NOT_FOUND');
  return batch;
}
