import type { Plan } from '../../../generated/prisma/client.ts';
import { createSharedRead } from '../../../platform/concurrency/shared-read.ts';
import { byId, createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { LocalCache } from '../../../platform/local-cache.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { PLAN_CHANGED } from '../../kernel/topics.ts';

export interface PlanReads {
  /** Lists the plans on sale, oldest first. Concurrent calls share a statement. */
  listPlansOnSale: () => Promise<Plan[]>;
  /**
   * Reads a plan, even if it is deleted. At most a second old, and up to date as soon as the
   * process learns that the plan changed. For what clients see.
   */
  readPlan: ReadCoalescer<Plan>;
}

const RECENT_PLANS = { maxAgeMs: 1_000, entries: 1_000, bytes: 0 };

/** Call once per process: only reads through the same instance are shared. */
export function createPlanReads({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): PlanReads {
  const where = { status: 'ON_SALE', deletedAt: null } as const;
  const recent = new LocalCache<Plan | undefined>(RECENT_PLANS);
  pubSub.onWake((topic, ids) => {
    if (topic === PLAN_CHANGED) for (const id of ids) recent.evict(id);
  });
  pubSub.onReconnect(() => recent.evictAll());
  const read = createReadCoalescer(async (ids) =>
    byId(await db.plan.findMany({ where: { id: { in: [...ids] } } })),
  );
  return {
    listPlansOnSale: createSharedRead(() => db.plan.findMany({ where, orderBy: { id: 'asc' } })),
    readPlan: (id) => recent.read(id, () => read(id)),
  };
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
