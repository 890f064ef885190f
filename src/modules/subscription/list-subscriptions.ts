import type { Plan, UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
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
