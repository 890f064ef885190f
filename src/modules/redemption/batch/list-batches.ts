import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Lists batches that are not deleted, newest first. */
export function listBatches(
  services: Pick<Services, 'db' | 'secrets'>,
  { page }: { page: PageArguments },
): Promise<Page<RedemptionBatch>> {
  const where = { deletedAt: null };
  return paginate(services, page, {
    name: 'redemptionBatches',
    order: 'desc',
    find: (window) =>
      services.db.redemptionBatch.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.redemptionBatch.count({ where }),
  });
}
