import type { Plan } from '../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** What is on sale, the oldest first. */
export function listPlansOnSale({ db }: Pick<Services, 'db'>): Promise<Plan[]> {
  return db.plan.findMany({ where: { status: 'ON_SALE', deletedAt: null }, orderBy: { id: 'asc' } });
}

/** Every plan that is not deleted, the newest first, for admins. */
export function listAllPlans(
  services: Pick<Services, 'db' | 'secrets'>,
  page: PageArguments,
): Promise<Page<Plan>> {
  const where = { deletedAt: null };
  return paginate(services, page, {
    name: 'plans',
    order: 'desc',
    find: (window) => services.db.plan.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.plan.count({ where }),
  });
}
