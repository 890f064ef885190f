import type { Plan } from '../../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Lists the plans on sale, oldest first. */
export function listPlansOnSale({ db }: Pick<Services, 'db'>): Promise<Plan[]> {
  return db.plan.findMany({ where: { status: 'ON_SALE', deletedAt: null }, orderBy: { id: 'asc' } });
}

type PlanSort = Sort<{ name: string }>;

export const PLAN_SORTS = {
  CREATED_AT_DESC: { order: 'desc' },
  CREATED_AT_ASC: { order: 'asc' },
  NAME_ASC: { order: 'asc', by: { column: 'name' } },
  NAME_DESC: { order: 'desc', by: { column: 'name' } },
} satisfies Record<string, PlanSort>;

/** Lists all plans except deleted ones, newest first by default. */
export function listAllPlans(
  services: Pick<Services, 'db' | 'secrets'>,
  { orderBy, page }: { orderBy?: keyof typeof PLAN_SORTS | null; page: PageArguments },
): Promise<Page<Plan>> {
  const sort: PlanSort = PLAN_SORTS[orderBy ?? 'CREATED_AT_DESC'];
  const where = { deletedAt: null };
  return paginate(services, page, {
    ...sort,
    name: 'plans',
    find: (window) => services.db.plan.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.plan.count({ where }),
  });
}
