import type { Prisma, SubscriptionStatus } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/database/clock.ts';
import { checkId } from '../../platform/input.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../platform/pagination/page.ts';
import type { Services } from '../../platform/services.ts';
import {
  PLAN_COLUMNS,
  type PlanColumns,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionColumns,
  type SubscriptionWithPlan,
  toSubscription,
} from './subscription-columns.ts';
import { withCurrentStatus } from './subscription-status.ts';

/** Lists all subscriptions of a user, expired and stopped ones included, newest first. */
export async function listSubscriptions(
  { db }: Pick<Services, 'db'>,
  { userId }: { userId: string },
): Promise<SubscriptionWithPlan[]> {
  const rows = await db.$queryRaw<(PlanColumns & SubscriptionColumns & { now: Date })[]>`
    SELECT tessera_now() AS now, ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS}
    FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
    WHERE s.user_id = ${userId}::uuid ORDER BY s.id DESC`;
  return rows.flatMap((row) => toSubscription(row) ?? []);
}

/** Conditions on subscriptions, combined with AND. Absent and null conditions are ignored. */
export interface SubscriptionListFilter {
  userId?: string | null;
  planId?: string | null;
  status?: SubscriptionStatus | null;
}

type SubscriptionSort = Sort<{ expiresAt: Date | null }>;

export const SUBSCRIPTION_SORTS = {
  CREATED_AT_DESC: { order: 'desc' },
  CREATED_AT_ASC: { order: 'asc' },
  EXPIRES_AT_DESC: { order: 'desc', by: { column: 'expiresAt', isNullable: true } },
  EXPIRES_AT_ASC: { order: 'asc', by: { column: 'expiresAt', isNullable: true } },
} satisfies Record<string, SubscriptionSort>;

/**
 * Lists the subscriptions of all users, newest first by default. Status and filter count a
 * subscription as EXPIRED as soon as `expiresAt` has passed.
 */
export async function listAllSubscriptions(
  services: Pick<Services, 'db' | 'secrets'>,
  {
    filter,
    orderBy,
    page,
  }: {
    filter: SubscriptionListFilter;
    orderBy?: keyof typeof SUBSCRIPTION_SORTS | null;
    page: PageArguments;
  },
): Promise<Page<SubscriptionWithPlan>> {
  const { db } = services;
  const now = await databaseNow(db);
  const where = whereOf(filter, now);
  const sort: SubscriptionSort = SUBSCRIPTION_SORTS[orderBy ?? 'CREATED_AT_DESC'];
  return paginate(services, page, {
    ...sort,
    name: 'subscriptions',
    find: async (window) => {
      const rows = await db.userSubscription.findMany({
        ...window,
        where: { AND: [where, window.where] },
        include: { plan: true },
      });
      return rows.map((row) => withCurrentStatus(row, now));
    },
    count: () => db.userSubscription.count({ where }),
  });
}

function whereOf(
  { userId, planId, status }: SubscriptionListFilter,
  now: Date,
): Prisma.UserSubscriptionWhereInput {
  return {
    ...(userId != null && { userId: checkId(userId) }),
    ...(planId != null && { planId: checkId(planId) }),
    ...(status != null && { AND: hasStatus(status, now) }),
  };
}

/** The same rule as `withCurrentStatus`, as a condition. */
function hasStatus(status: SubscriptionStatus, now: Date): Prisma.UserSubscriptionWhereInput {
  if (status === 'STOPPED') return { status };
  if (status === 'EXPIRED') return { status: { not: 'STOPPED' }, expiresAt: { lte: now } };
  return { status, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
}
