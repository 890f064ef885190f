import type { Plan, Prisma, SubscriptionStatus, UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
import { checkId } from '../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** A subscription with its plan, its status by the clock of this moment. */
export type SubscriptionOfPlan = UserSubscription & { plan: Plan };

/** Everything that a user has or had of plans, the newest first. */
export async function listSubscriptions(
  { db }: Pick<Services, 'db'>,
  { userId }: { userId: string },
): Promise<SubscriptionOfPlan[]> {
  const rows = await db.userSubscription.findMany({
    where: { userId },
    orderBy: { id: 'desc' },
    include: { plan: true },
  });
  if (rows.length === 0) return [];
  const now = await databaseNow(db);
  return rows.map((row) => withPresentStatus(row, now));
}

/** EXPIRED is true by the clock, before any sweep has written it down. */
export function withPresentStatus(subscription: SubscriptionOfPlan, now: Date): SubscriptionOfPlan {
  const { status, expiresAt } = subscription;
  const isOver = expiresAt !== null && expiresAt <= now;
  return isOver && status !== 'STOPPED' ? { ...subscription, status: 'EXPIRED' } : subscription;
}

/** Which subscriptions; what is left out does not matter. */
export interface SubscriptionListFilter {
  userId?: string | null;
  planId?: string | null;
  status?: SubscriptionStatus | null;
}

/** The subscriptions of everybody, the newest first, each with its status by the clock of this moment. */
export async function listAllSubscriptions(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: SubscriptionListFilter; page: PageArguments },
): Promise<Page<SubscriptionOfPlan>> {
  const { db } = services;
  const now = await databaseNow(db);
  const where = whereOf(filter, now);
  return paginate(services, page, {
    name: 'subscriptions',
    order: 'desc',
    find: async (window) => {
      const rows = await db.userSubscription.findMany({
        ...window,
        where: { AND: [where, window.where] },
        include: { plan: true },
      });
      return rows.map((row) => withPresentStatus(row, now));
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

/** By the clock, as `withPresentStatus` has it. */
function hasStatus(status: SubscriptionStatus, now: Date): Prisma.UserSubscriptionWhereInput {
  if (status === 'STOPPED') return { status };
  if (status === 'EXPIRED') return { status: { not: 'STOPPED' }, expiresAt: { lte: now } };
  return { status, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
}
