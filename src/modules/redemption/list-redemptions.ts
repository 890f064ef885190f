import type { Redemption } from '../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** What one account has redeemed, the latest first. */
export function listRedemptions(
  services: Pick<Services, 'db' | 'secrets'>,
  { userId, page }: { userId: string; page: PageArguments },
): Promise<Page<Redemption>> {
  const where = { userId };
  return paginate(services, page, {
    name: 'redemptions',
    order: 'desc',
    find: (window) => services.db.redemption.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.redemption.count({ where }),
  });
}
