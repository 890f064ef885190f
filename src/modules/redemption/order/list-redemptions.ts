import type { Prisma, Redemption } from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Conditions on redemption records, combined with AND. Absent and null conditions are ignored.
 */
export interface RedemptionListFilter {
  /** The current owner: after a merge, the remaining account. */
  userId?: string | null;
  codeId?: string | null;
  batchId?: string | null;
  planId?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** Lists redemption records, newest first, including those of deleted codes. */
export function listRedemptions(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: RedemptionListFilter; page: PageArguments },
): Promise<Page<Redemption>> {
  const where = whereOf(filter);
  return paginate(services, page, {
    name: 'redemptions',
    order: 'desc',
    find: (window) => services.db.redemption.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.redemption.count({ where }),
  });
}

function whereOf({
  userId,
  codeId,
  batchId,
  planId,
  from,
  to,
}: RedemptionListFilter): Prisma.RedemptionWhereInput {
  return {
    ...(userId != null && { userId: checkId(userId) }),
    ...(codeId != null && { codeId: checkId(codeId) }),
    ...(batchId != null && { batchId: checkId(batchId) }),
    ...(planId != null && { planId: checkId(planId) }),
    ...((from || to) && { redeemedAt: { ...(from && { gte: from }), ...(to && { lt: to }) } }),
  };
}
